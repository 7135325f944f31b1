#!/usr/bin/env bash
# polars 2.1.0: mean_horizontal adds in the type of its columns before it divides: the mean of 200, 100 and 0 as uint8
# is 14.67 instead of 100, and so is that of three times 100. mean() down a column is right, and so are the mean of lists
# and pandas 3.1.1. So the average of several nets' answers, or of the channels of a pixel, is wrong as soon as its sum is
# above 255; with Int32 above 2,147,483,647 (means of file sizes, of counts).
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"; "$work/venv/bin/pip" install -q 'polars==2.1.0' 'pandas==3.1.1' 'pyarrow==26.0.1' 'numpy==2.4.6'
cat >"$work/show.py" <<'PY'
import pandas as pd
import polars as pl

for name, kind, rows in (
    ("uint8", pl.UInt8, {"red": [200, 100], "green": [100, 100], "blue": [0, 100]}),
    ("int32", pl.Int32, {"red": [2_000_000_000], "green": [2_000_000_000]}),
):
    frame = pl.DataFrame(rows, schema=dict.fromkeys(rows, kind))
    across = [round(value, 2) for value in frame.select(pl.mean_horizontal(pl.all())).to_series()]
    lists = [round(value, 2) for value in frame.select(pl.concat_list(pl.all()).list.mean()).to_series()]
    print(name, "across", across, "lists", lists, "down", frame.mean().row(0)[0])
    table = pd.DataFrame(rows, dtype=name)
    print("pandas", [round(value, 2) for value in table.mean(axis=1).tolist()])
PY
shown=$("$work/venv/bin/python" "$work/show.py" 2>/dev/null)
[[ $shown == $'uint8 across [14.67, 14.67] lists [100.0, 100.0] down 150.0\npandas [100.0, 100.0]\nint32 across [-147483648.0] lists [2000000000.0] down 2000000000.0\npandas [2000000000.0]' ]] || { echo "it is otherwise now: $shown"; exit 1; }
echo "the mean of 200, 100 and 0 across columns of uint8 is 14.67"
