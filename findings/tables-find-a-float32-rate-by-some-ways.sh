#!/usr/bin/env bash
# pandas 3.1.1, polars 2.1.0, DuckDB 2.0.1, pyarrow 26.0.1: a table of runs whose rate is float32 (from numpy, PyTorch or
# jax). That 0.1 of float32 isn't 0.1 of float64 is well known, and so one could guess that all find the run with the rate
# 0.1, or none. "== 0.1" finds it in pandas, polars and DuckDB, and not in pyarrow; isin and is_in of [0.1] and a join with
# a list of rates find none, without a word. Runs found of one with a rate of 0.1:
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"; "$work/venv/bin/pip" install -q 'pandas==3.1.1' 'polars==2.1.0' 'pyarrow==26.0.1' 'duckdb==2.0.1' 'numpy==2.4.6'
cat >"$work/show.py" <<'PY'
import duckdb
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.compute as pc

rates = np.array([0.1], "float32")
in_pandas, in_polars, in_arrow = pd.DataFrame({"rate": rates}), pl.DataFrame({"rate": rates}), pa.table({"rate": rates})
found = {
    "pandas ==": len(in_pandas[in_pandas["rate"] == 0.1]),
    "pandas isin": len(in_pandas[in_pandas["rate"].isin([0.1])]),
    "pandas merge": len(in_pandas.merge(pd.DataFrame({"rate": [0.1]}), on="rate")),
    "polars ==": len(in_polars.filter(pl.col("rate") == 0.1)),
    "polars is_in": len(in_polars.filter(pl.col("rate").is_in([0.1]))),
    "pyarrow ==": in_arrow.filter(pc.field("rate") == 0.1).num_rows,
    "duckdb =": len(duckdb.sql("select * from in_arrow where rate = 0.1").fetchall()),
    "duckdb in": len(duckdb.sql("select * from in_arrow where rate in (0.1, 0.2)").fetchall()),
    "duckdb join": len(duckdb.sql("select * from in_arrow join (select 0.1::double as rate) as asked using (rate)").fetchall()),
}
print(*(f"{way}: {number}" for way, number in found.items()), sep="\n")
PY
shown=$(cd "$work" && "$work/venv/bin/python" "$work/show.py" 2>/dev/null)
[[ $shown == $'pandas ==: 1\npandas isin: 0\npandas merge: 0\npolars ==: 1\npolars is_in: 0\npyarrow ==: 0\nduckdb =: 1\nduckdb in: 1\nduckdb join: 0' ]] || { echo "it is otherwise now: $shown"; exit 1; }
echo "a float32 rate is found by ==, and not by isin or a join"
