#!/usr/bin/env bash
# pandas 3.1.1: ewm(...).mean() of a loss that becomes infinite or NaN, and stays so, goes on with its last finite value
# to the end: infinity is taken for missing, and what is missing is left out. expanding() does the same: the largest loss
# so far is 0.5, where cummax() is infinite. rolling(...).mean() gives NaN for both, polars' ewm_mean the NaN. The smoothed loss at the end of a run of ten good steps and ninety of infinity or NaN:
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"; "$work/venv/bin/pip" install -q 'pandas==3.1.1' 'polars==2.1.0' 'numpy==2.4.6'
cat >"$work/show.py" <<'PY'
import numpy as np
import pandas as pd
import polars as pl

for end in (np.inf, np.nan):
    loss = [0.5] * 10 + [end] * 90
    ewm, rolling = pd.Series(loss).ewm(alpha=0.1).mean().iloc[-1], pd.Series(loss).rolling(5).mean().iloc[-1]
    expanding = pd.Series(loss).expanding()
    print(f"ends in {end}: ewm {ewm:.2f} expanding {expanding.mean().iloc[-1]:.2f} {expanding.max().iloc[-1]:.2f} rolling {rolling:.2f} polars {pl.Series(loss).ewm_mean(alpha=0.1)[-1]:.2f}")
    print("cummax", pd.Series(loss).cummax().iloc[-1])
PY
shown=$("$work/venv/bin/python" "$work/show.py")
[[ $shown == $'ends in inf: ewm 0.50 expanding 0.50 0.50 rolling nan polars nan\ncummax inf\nends in nan: ewm 0.50 expanding 0.50 0.50 rolling nan polars nan\ncummax nan' ]] || { echo "it is otherwise now: $shown"; exit 1; }
echo "a run that diverged ends with its last finite loss"
