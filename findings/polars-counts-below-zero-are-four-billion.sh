#!/usr/bin/env bash
# polars 2.1.0: counts are unsigned numbers of 32 bits (len, count, n_unique, the sum of true ones, value_counts), and a
# difference of two that is below 0 wraps: "right minus wrong" of a net with 3 right and 5 wrong answers is 4294967294,
# and so first in a table sorted by it. diff() of counts is right, and so are pandas 3.1.1 and DuckDB 2.0.1.
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"; "$work/venv/bin/pip" install -q 'polars==2.1.0' 'pandas==3.1.1' 'duckdb==2.0.1' 'numpy==2.4.6'
cat >"$work/show.py" <<'PY'
import duckdb
import pandas as pd
import polars as pl

hits = {"net": ["a"] * 8 + ["b"] * 8, "right": [True] * 3 + [False] * 5 + [True] * 6 + [False] * 2}
frame, right = pl.DataFrame(hits), pl.col("right")
table = frame.group_by("net").agg(
    (right.sum() - (~right).sum()).alias("sums"),
    (right.filter(right).len() - right.filter(~right).len()).alias("lens"),
    (right.filter(right).count() - right.filter(~right).count()).alias("counts"),
    (right.n_unique() - 3).alias("unique"),
)
for row in table.sort("sums", descending=True).rows(named=True):
    print(*row.values())
counts = frame.filter(pl.col("net") == "a")["right"].value_counts().sort("right", descending=True)["count"]
print("value_counts", counts[0:1].item() - counts[1:2].item(), (counts[0:1] - counts[1:2]).item(), counts.reverse().diff().to_list()[1], counts.diff().to_list()[1])
a = pd.DataFrame(hits).query("net == 'a'").right
print("pandas", a.sum() - (~a).sum(), a[a].count() - a[~a].count())
print("duckdb", duckdb.sql("select count(*) filter (x) - count(*) filter (not x) from (select unnest([true, false, false]) x)").fetchall()[0][0])
PY
shown=$("$work/venv/bin/python" "$work/show.py" 2>/dev/null)
[[ $shown == $'a 4294967294 4294967294 4294967294 4294967295\nb 4 4 4 4294967295\nvalue_counts -2 4294967294 -2 2\npandas -2 -2\nduckdb -1' ]] || { echo "it is otherwise now: $shown"; exit 1; }
echo "3 right minus 5 wrong answers is 4294967294"
