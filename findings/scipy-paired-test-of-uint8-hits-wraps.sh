#!/usr/bin/env bash
# scipy 1.17.1: `ttest_rel` subtracts in the arrays' own type: of two nets' hits as uint8 (0 and 1) "only the second is
# right" counts as 255 instead of -1. t of a net that is right 7 times where the other isn't, and wrong 23 times where
# it is, is 5.4 instead of -3.0: the poorer net is "significantly better". No warning. `wilcoxon` of the same is right.
# scikit-learn 1.9.1's `max_error` of grades in uint8 is 255 for 1.
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"; "$work/venv/bin/pip" install -q 'scipy==1.17.1' 'scikit-learn==1.9.1' 'numpy==2.4.6'
cat >"$work/show.py" <<'PY'
import numpy as np
from scipy import stats
from sklearn.metrics import max_error

one, other = np.repeat([1, 1, 0, 0], [60, 7, 23, 10]), np.repeat([1, 0, 1, 0], [60, 7, 23, 10])
for kind in (np.uint8, np.int64):
    a, b = one.astype(kind), other.astype(kind)
    print(kind.__name__, f"t {stats.ttest_rel(a, b).statistic:.1f} wilcoxon {stats.wilcoxon(a, b).statistic:.0f}",
          f"max_error {max_error(np.array([0, 1], kind), np.array([1, 1], kind)):.0f}")  # fmt: skip
PY
shown=$("$work/venv/bin/python" "$work/show.py")
[[ $shown == $'uint8 t 5.4 wilcoxon 108 max_error 255\nint64 t -3.0 wilcoxon 108 max_error 1' ]] || { echo "it is otherwise now: $shown"; exit 1; }
echo "a paired t-test of uint8 hits has the wrong sign"
