#!/usr/bin/env bash
# A moving mean over 3 of a loss that is 1 but for one step. scipy 1.17.1 (uniform_filter1d) and bottleneck 1.6.0
# (move_mean) add and subtract along: after one infinite value the rest of the curve is NaN, in scipy after one NaN too,
# and after one spike of 1e20 the mean of ones is 0 to the end. pandas 3.1.1 and polars 2.1.0 come back to 1. The last
# value of 1,000, by what the 10th was:
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"; "$work/venv/bin/pip" install -q 'scipy==1.17.1' 'bottleneck==1.6.0' 'pandas==3.1.1' 'polars==2.1.0' 'numpy==2.4.6'
cat >"$work/show.py" <<'PY'
import bottleneck
import numpy as np
import pandas as pd
import polars as pl
from scipy.ndimage import uniform_filter1d

for spike in (float("nan"), float("inf"), 1e20):
    loss = np.ones(1000)
    loss[9] = spike
    last = {
        "scipy": uniform_filter1d(loss, 3)[-1],
        "bottleneck": bottleneck.move_mean(loss, 3)[-1],
        "pandas": pd.Series(loss).rolling(3).mean().iloc[-1],
        "polars": pl.Series(loss).rolling_mean(3)[-1],
    }
    print(f"{spike:g}:", *(f"{name} {value:g}" for name, value in last.items()))
PY
shown=$("$work/venv/bin/python" "$work/show.py" 2>/dev/null)
[[ $shown == $'nan: scipy nan bottleneck 1 pandas 1 polars 1\ninf: scipy nan bottleneck nan pandas 1 polars 1\n1e+20: scipy 0 bottleneck 0 pandas 1 polars 1' ]] || { echo "it is otherwise now: $shown"; exit 1; }
echo "one infinite loss makes the rest of a moving mean NaN"
