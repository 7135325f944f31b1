#!/usr/bin/env bash
# pandas 3.1.1, pyarrow 26.0.1: read_parquet of a folder written with partition_cols=["epoch"] gives epochs as a
# categorical of whole numbers, in the order of the folders' names: 0, 1, 10, 11, 2. One could guess that sort_values
# and groupby put whole numbers in their order: they keep that of the names, so "the last epoch" of a log is 9 of 11, and
# a curve drawn by it jumps. polars 2.1.0 and DuckDB 2.0.1 read them as numbers. astype(int) first mends it.
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"; "$work/venv/bin/pip" install -q 'pandas==3.1.1' 'pyarrow==26.0.1' 'polars==2.1.0' 'duckdb==2.0.1' 'numpy==2.4.6'
cat >"$work/show.py" <<'PY'
import os
import tempfile

import duckdb
import numpy as np
import pandas as pd
import polars as pl

os.chdir(tempfile.mkdtemp())
epochs = np.arange(12)
pd.DataFrame({"epoch": epochs, "loss": 1.2 - epochs / 10}).to_parquet("log", partition_cols=["epoch"])
log = pd.read_parquet("log")
print(log.epoch.dtype.name, log.epoch.cat.categories.dtype)
by_epoch = log.sort_values("epoch")
print("sorted", *by_epoch.epoch, "last loss", f"{by_epoch.loss.iloc[-1]:.1f}")
print("grouped", *log.groupby("epoch", observed=True).loss.mean().index)
numbers = log.astype({"epoch": int}).sort_values("epoch")
print("as int", *numbers.epoch, "last loss", f"{numbers.loss.iloc[-1]:.1f}")
print("polars", *pl.read_parquet("log/**/*.parquet", hive_partitioning=True).sort("epoch")["epoch"])
print("duckdb", *(row[0] for row in duckdb.sql("select epoch from 'log/*/*.parquet' order by epoch").fetchall()))
PY
shown=$("$work/venv/bin/python" "$work/show.py" 2>/dev/null)
[[ $shown == $'category int32\nsorted 0 1 10 11 2 3 4 5 6 7 8 9 last loss 0.3\ngrouped 0 1 10 11 2 3 4 5 6 7 8 9\nas int 0 1 2 3 4 5 6 7 8 9 10 11 last loss 0.1\npolars 0 1 2 3 4 5 6 7 8 9 10 11\nduckdb 0 1 2 3 4 5 6 7 8 9 10 11' ]] || { echo "it is otherwise now: $shown"; exit 1; }
echo "epochs of a folder of Parquet files are sorted 0, 1, 10, 11, 2"
