#!/usr/bin/env bash
# polars 2.1.0: read_csv takes `nan`, as Python and its csv module write it, for a text: if it comes in the first 100 rows
# the whole column is text, and sort and max() go by letters: 9.5 is more than 10.25. If it comes later it is read as
# NaN. `NaN` and `inf` are numbers from the start, `Inf` and `Infinity` aren't; pandas 3.1.1 and DuckDB 2.0.1 read all of
# them as numbers. What 10.25, 9.5 and the word are read as, and the larger of the two numbers:
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"; "$work/venv/bin/pip" install -q 'pandas==3.1.1' 'polars==2.1.0' 'duckdb==2.0.1' 'numpy==2.4.6'
cat >"$work/show.py" <<'PY'
import csv
import os
import tempfile

import duckdb
import pandas as pd
import polars as pl

os.chdir(tempfile.mkdtemp())


def written(losses):
    with open("log.csv", "w", newline="") as file:
        csv.writer(file).writerows([["loss"], *([loss] for loss in losses)])


for word in (float("nan"), "NaN", float("inf"), "Inf", "Infinity"):
    written([10.25, 9.5, word])
    column = pl.read_csv("log.csv")["loss"]
    others = str(pd.read_csv("log.csv").loss.dtype), duckdb.sql("select typeof(loss) from 'log.csv'").fetchall()[0][0]
    print(word, column.dtype, column.head(2).max(), *others)
for before in (98, 99, 100):
    written([0.5] * before + [float("nan")])
    column = pl.read_csv("log.csv")["loss"]
    print("nan after", before, column.dtype, repr(column[-1]))
PY
shown=$("$work/venv/bin/python" "$work/show.py" 2>/dev/null)
[[ $shown == $'nan String 9.5 float64 DOUBLE\nNaN Float64 10.25 float64 DOUBLE\ninf Float64 10.25 float64 DOUBLE\nInf String 9.5 float64 DOUBLE\nInfinity String 9.5 float64 DOUBLE\nnan after 98 String \'nan\'\nnan after 99 String \'nan\'\nnan after 100 Float64 nan' ]] || { echo "it is otherwise now: $shown"; exit 1; }
echo "one early nan makes a column of losses text in polars"
