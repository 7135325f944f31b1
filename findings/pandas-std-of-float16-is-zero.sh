#!/usr/bin/env bash
# pandas 3.1.1: std, var and sem of a float16 column of 65,520 rows and more are 0, in describe() too: the number of
# rows is infinite in float16, and the sum of squares is divided by it; a RuntimeWarning tells of a cast. One would
# expect a column of scores, stored small, to have the spread that it has: mean, median and quantiles beside it are
# right, a rolling std too. By this one the scores of many pictures are all alike, and each difference is significant.
# For 1,000 and 200,000 rows of 0.25 and 0.5: std, describe()'s std, mean, and the std in float32:
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"; "$work/venv/bin/pip" install -q 'pandas==3.1.1' 'numpy==2.4.6'
cat >"$work/show.py" <<'PY'
import warnings

import numpy as np
import pandas as pd

warnings.simplefilter("ignore")
for rows in (1000, 200_000):
    column = pd.Series(np.tile(np.array([0.25, 0.5], np.float16), rows // 2))
    told = column.describe()["std"]
    print(f"{rows}: {column.std():.3f} {told:.3f}, mean {column.mean():.3f}, in float32 {column.astype('float32').std():.3f}")
PY
shown=$("$work/venv/bin/python" "$work/show.py" 2>/dev/null)
[[ $shown == $'1000: 0.125 0.125, mean 0.375, in float32 0.125\n200000: 0.000 0.000, mean 0.375, in float32 0.125' ]] || { echo "it is otherwise now: $shown"; exit 1; }
echo "std of a float16 column of 200,000 rows is 0"
