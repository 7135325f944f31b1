#!/usr/bin/env bash
# scikit-learn 1.9.1: PCA of many float32 rows works with the covariance (the solver "auto" takes for more than ten
# times as many rows as columns), whose means are taken off after squaring: for features with a mean of 300 and spreads
# of 1 to 2 the largest and smallest variance are 5.25 and 0.00 instead of 4.07 and 1.00. svd_solver="full", float64 or
# subtracting the mean first are right:
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"; "$work/venv/bin/pip" install -q 'scikit-learn==1.9.1' 'numpy==2.4.6'
cat >"$work/show.py" <<'PY'
import numpy as np
from sklearn.decomposition import PCA

draw = np.random.default_rng(0)
spread = draw.standard_normal((20000, 16)) * np.linspace(1, 2, 16)
for mean in (0, 300):
    rows = (spread + mean).astype(np.float32)
    for solver, given in (("auto", rows), ("full", rows), ("auto", rows.astype(np.float64)), ("auto", rows - rows.mean(0))):
        found = PCA(16, svd_solver=solver).fit(given).explained_variance_
        less = " less its mean" if given is not rows and given.dtype == np.float32 else ""
        print(f"mean {mean} {solver} {given.dtype}{less}: {found[0]:.2f} {found[-1]:.2f}")
PY
shown=$("$work/venv/bin/python" "$work/show.py" 2>/dev/null)
[[ $shown == $'mean 0 auto float32: 4.07 1.00\nmean 0 full float32: 4.07 1.00\nmean 0 auto float64: 4.07 1.00\nmean 0 auto float32 less its mean: 4.07 1.00\nmean 300 auto float32: 5.25 0.00\nmean 300 full float32: 4.07 1.00\nmean 300 auto float64: 4.07 1.00\nmean 300 auto float32 less its mean: 4.07 1.00' ]] || { echo "it is otherwise now: $shown"; exit 1; }
echo "PCA of float32 features far from 0 finds other variances"
