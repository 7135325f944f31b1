#!/usr/bin/env bash
# pandas 3.1.1, Python's sqlite3: a NaN is written into SQLite as NULL, and NULL comes first in its order: of a table of
# runs "order by loss limit 1", the best run, is the one that diverged. min(loss) leaves it out, and so does the mean; with
# "order by accuracy desc" it comes last. An infinite loss stays infinite. In pandas NaN comes last:
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"; "$work/venv/bin/pip" install -q 'pandas==3.1.1' 'numpy==2.4.6'
cat >"$work/show.py" <<'PY'
import sqlite3

import numpy as np
import pandas as pd

runs = pd.DataFrame({"run": ["good", "diverged", "bad"], "loss": [0.5, np.nan, 2.0], "accuracy": [0.8, np.nan, 0.1]})
base = sqlite3.connect(":memory:")
runs.to_sql("runs", base)
for query in (
    "select run, loss from runs order by loss limit 1",
    "select run, min(loss) from runs",
    "select avg(loss) from runs",
    "select run from runs order by accuracy desc limit 1",
):
    print(query, "|", *base.execute(query).fetchone())
base.execute("create table losses (loss real)")
base.execute("insert into losses values (?), (?)", (float("nan"), float("inf")))
print(base.execute("select loss from losses").fetchall())
print("pandas:", runs.sort_values("loss").iloc[0]["run"])
PY
shown=$(cd "$work" && "$work/venv/bin/python" "$work/show.py" 2>/dev/null)
[[ $shown == $'select run, loss from runs order by loss limit 1 | diverged None\nselect run, min(loss) from runs | good 0.5\nselect avg(loss) from runs | 1.25\nselect run from runs order by accuracy desc limit 1 | good\n[(None,), (inf,)]\npandas: good' ]] || { echo "it is otherwise now: $shown"; exit 1; }
echo "in SQLite the run that diverged has the lowest loss"
