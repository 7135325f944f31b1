#!/usr/bin/env bash
# pandas 3.1.1: what lies between the counts of two epochs, by diff() of an unsigned column (uint8, or uint32 as polars and
# Parquet have counts), wraps: 251 or 4294967291 for -5. By groupby("run")["right"].diff(), and by pct_change,
# it is right. The counts 66, 61 and 70 of right answers:
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"; "$work/venv/bin/pip" install -q 'pandas==3.1.1' 'numpy==2.4.6'
cat >"$work/show.py" <<'PY'
import pandas as pd

for kind in ("int64", "uint8", "uint32"):
    runs = pd.DataFrame({"run": ["a", "a", "a"], "right": pd.Series([66, 61, 70], dtype=kind)})
    print(kind, "diff", *runs["right"].diff()[1:], "of all columns", *runs[["right"]].diff()["right"][1:], "grouped", *runs.groupby("run")["right"].diff()[1:], "pct_change", *runs["right"].pct_change()[1:].round(3))
PY
shown=$(cd "$work" && "$work/venv/bin/python" "$work/show.py" 2>/dev/null)
[[ $shown == $'int64 diff -5.0 9.0 of all columns -5.0 9.0 grouped -5.0 9.0 pct_change -0.076 0.148\nuint8 diff 251.0 9.0 of all columns 251.0 9.0 grouped -5.0 9.0 pct_change -0.076 0.148\nuint32 diff 4294967291.0 9.0 of all columns 4294967291.0 9.0 grouped -5.0 9.0 pct_change -0.076 0.148' ]] || { echo "it is otherwise now: $shown"; exit 1; }
echo "pandas' diff of unsigned counts wraps, grouped it doesn't"
