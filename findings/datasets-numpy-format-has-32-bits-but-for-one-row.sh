#!/usr/bin/env bash
# datasets 5.2.0: a column of float64 read with_format("numpy") one could guess to be float64, as numpy has it. Rows and
# columns together are float32, one row alone is float64, and a list in it float32: of seconds since 1970 the
# last digits are lost, and two files that were written ten seconds apart have one time. with_format("pandas") keeps it, and so does
# with_format("numpy", dtype="float64"). Times read in each way, and what lies between two of them:
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"; "$work/venv/bin/pip" install -q 'datasets==5.2.0' 'numpy==2.4.6'
cat >"$work/show.py" <<'PY'
import datasets
import numpy as np

began = 1_700_000_000.0
data = datasets.Dataset.from_dict({"time": [began, began + 10], "times": [[began], [began + 10]]})
print("stored", data.features["time"].dtype)
as_numpy = data.with_format("numpy")
for name, time in {
    "one row": as_numpy[1]["time"],
    "a list in one row": as_numpy[1]["times"],
    "all rows": as_numpy[:]["time"],
    "asked for": data.with_format("numpy", dtype=np.float64)[:]["time"],
    "pandas": data.with_format("pandas")[:]["time"],
}.items():
    print(name, time.dtype, "off by", float(np.max(np.asarray(time, "float64"))) - began - 10)
print("between", np.diff(as_numpy[:]["time"]).tolist())
PY
shown=$(cd "$work" && "$work/venv/bin/python" "$work/show.py" 2>/dev/null)
[[ $shown == $'stored float64\none row float64 off by 0.0\na list in one row float32 off by -10.0\nall rows float32 off by -10.0\nasked for float64 off by 0.0\npandas float64 off by 0.0\nbetween [0.0]' ]] || { echo "it is otherwise now: $shown"; exit 1; }
echo "datasets' numpy format has float32 but for one row"
