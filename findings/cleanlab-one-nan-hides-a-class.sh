#!/usr/bin/env bash
# cleanlab 2.9.0: a picture whose probabilities are NaN makes the threshold of its class NaN, and `find_label_issues`
# then finds no picture of that class among those of other labels. Where each of 4 classes has one such picture, none is
# found: the set is clean. No warning or error. Wrong labels found of 40, by how many of the other 360 pictures are NaN:
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"; "$work/venv/bin/pip" install -q 'cleanlab==2.9.0' 'scikit-learn==1.9.1' 'pandas==3.1.1' 'numpy==2.4.6' 'scipy==1.17.1'
cat >"$work/show.py" <<'PY'
import numpy as np
from cleanlab.filter import find_label_issues

true = np.arange(400) % 4
given = np.where(np.arange(400) < 40, (true + 1) % 4, true)
sure = np.full((400, 4), 0.05)
sure[np.arange(400), true] = 0.85
for count in (0, 1, 2, 4):
    probabilities = sure.copy()
    probabilities[100 : 100 + count] = np.nan
    found = find_label_issues(given, probabilities)
    print(count, "NaN: found", found[:40].sum(), "others", found[40:].sum())
PY
shown=$("$work/venv/bin/python" "$work/show.py" 2>/dev/null)
[[ $shown == $'0 NaN: found 40 others 0\n1 NaN: found 30 others 0\n2 NaN: found 20 others 0\n4 NaN: found 0 others 0' ]] || { echo "it is otherwise now: $shown"; exit 1; }
echo "one NaN picture hides the wrong labels of a class"
