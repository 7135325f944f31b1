#!/usr/bin/env bash
# numpy 2.4.6: numpy.mean sums float16 up in float32, as its documentation says. std and var don't for their own mean,
# nor do nanmean, nanstd and xarray's mean, which takes nanmean: above a sum of 65504, which 131,072 values around one
# half reach (two grey pictures of 256 x 256), they are infinite, with a RuntimeWarning, where mean beside them is
# right. Standardised by it, all pictures are 0. What mean, std, var, nanmean and nanstd make of 200,000 values of 0.25
# and 0.5, and xarray's mean:
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"; "$work/venv/bin/pip" install -q 'numpy==2.4.6' 'xarray==2026.9.0'
cat >"$work/show.py" <<'PY'
import warnings

import numpy as np
import xarray

warnings.simplefilter("ignore")
levels = np.tile(np.array([0.25, 0.5], np.float16), 100_000)
for name in ("mean", "std", "var", "nanmean", "nanstd"):
    print(name, getattr(np, name)(levels), end=", ")
print("in float32", levels.astype(np.float32).std(), "xarray", float(xarray.DataArray(levels).mean()))
PY
shown=$("$work/venv/bin/python" "$work/show.py" 2>/dev/null)
[[ $shown == $'mean 0.375, std inf, var inf, nanmean inf, nanstd inf, in float32 0.125 xarray inf' ]] || { echo "it is otherwise now: $shown"; exit 1; }
echo "std of 200,000 float16 levels is infinite, mean is right"
