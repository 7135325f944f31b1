#!/usr/bin/env bash
# pandas 3.1.1, pyarrow 26.0.1, polars 2.1.0, DuckDB 2.0.1: a loss of NaN in a log becomes "missing" on its way from one
# library to another, and the mean of a run that diverged is finite: pyarrow.csv reads NaN and nan as null (but NAN as
# NaN), and pandas writes NaN into Parquet, and hands it to polars, as null. Infinity stays. From a CSV file polars and
# DuckDB read NaN as NaN. The mean of 0.5, NaN, 0.25 by its way:
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"; "$work/venv/bin/pip" install -q 'pandas==3.1.1' 'pyarrow==26.0.1' 'polars==2.1.0' 'duckdb==2.0.1' 'numpy==2.4.6'
cat >"$work/show.py" <<'PY'
import os
import tempfile

import duckdb
import pandas as pd
import polars as pl
import pyarrow.compute
import pyarrow.csv

os.chdir(tempfile.mkdtemp())
for word in ("NaN", "nan", "NAN", "inf"):
    with open("log.csv", "w") as file:
        file.write(f"loss\n0.5\n{word}\n0.25\n")
    print(word, "pyarrow", pyarrow.compute.mean(pyarrow.csv.read_csv("log.csv")["loss"]))
with open("log.csv", "w") as file:
    file.write("loss\n0.5\nNaN\n0.25\n")
print("csv polars", pl.read_csv("log.csv")["loss"].mean(), "duckdb", duckdb.sql("select avg(loss) from 'log.csv'").fetchall()[0][0])
frame = pd.read_csv("log.csv")
frame.to_parquet("pandas.parquet")
pl.read_csv("log.csv").write_parquet("polars.parquet")
for name in ("pandas.parquet", "polars.parquet"):
    mean = duckdb.sql(f"select avg(loss) from '{name}'").fetchall()[0][0]
    print(name, "polars", pl.read_parquet(name)["loss"].mean(), "duckdb", mean)
print("from_pandas", pl.from_pandas(frame)["loss"].mean())
PY
shown=$("$work/venv/bin/python" "$work/show.py" 2>/dev/null)
[[ $shown == $'NaN pyarrow 0.375\nnan pyarrow 0.375\nNAN pyarrow nan\ninf pyarrow inf\ncsv polars nan duckdb nan\npandas.parquet polars 0.375 duckdb 0.375\npolars.parquet polars nan duckdb nan\nfrom_pandas 0.375' ]] || { echo "it is otherwise now: $shown"; exit 1; }
echo "a loss of NaN is missing in the next table, and the mean is finite"
