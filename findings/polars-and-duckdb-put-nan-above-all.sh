#!/usr/bin/env bash
# A table of runs, one with the accuracy NaN. polars 2.1.0 and DuckDB 2.0.1 order NaN above every number: "accuracy >
# 0.8" keeps it, and sorted downwards it is the best run. polars' max() leaves it out all the same, DuckDB's is NaN.
# pandas 3.1.1, pyarrow 26.0.1 and SQLite (which makes it NULL) keep only the true one. What each keeps, its best run
# and its maximum:
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"; "$work/venv/bin/pip" install -q 'polars==2.1.0' 'duckdb==2.0.1' 'pandas==3.1.1' 'pyarrow==26.0.1' 'numpy==2.4.6'
cat >"$work/show.py" <<'PY'
import sqlite3

import duckdb
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.compute as pc

rows = [("good", 0.9), ("poor", 0.7), ("dead", float("nan"))]
names, scores = zip(*rows, strict=True)
table = {"run": list(names), "acc": list(scores)}
a, b, c = pl.DataFrame(table), pd.DataFrame(table), pa.table(table)
print("polars", *a.filter(pl.col("acc") > 0.8)["run"], "/", a.sort("acc", descending=True)["run"][0], a["acc"].max())
print("pandas", *b[b.acc > 0.8].run, "/", b.sort_values("acc", ascending=False).run.iloc[0], b.acc.max())
best = c.sort_by([("acc", "descending")])["run"][0]
print("pyarrow", *c.filter(pc.field("acc") > 0.8)["run"].to_pylist(), "/", best, pc.max(c["acc"]))
lite = sqlite3.connect(":memory:")
lite.execute("create table c (run text, acc real)")
lite.executemany("insert into c values (?, ?)", rows)
for name, base in (("DuckDB", duckdb), ("SQLite", lite)):
    kept = [row[0] for row in base.execute("select run from c where acc > 0.8").fetchall()]
    best = base.execute("select run from c order by acc desc limit 1").fetchall()[0][0]
    print(name, *kept, "/", best, base.execute("select max(acc) from c").fetchall()[0][0])
PY
shown=$("$work/venv/bin/python" "$work/show.py")
[[ $shown == $'polars good dead / dead 0.9\npandas good / good 0.9\npyarrow good / good 0.9\nDuckDB good dead / dead nan\nSQLite good / good 0.9' ]] || { echo "it is otherwise now: $shown"; exit 1; }
echo "in polars and DuckDB a NaN accuracy is above 0.8"
