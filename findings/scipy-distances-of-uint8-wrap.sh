#!/usr/bin/env bash
# scipy 1.17.1: scipy.spatial.distance.euclidean and cityblock of two uint8 pictures subtract in uint8, so the
# differences wrap: two grey pictures that differ by 1 everywhere are 255 apart in one order and 1 in the other, and a
# picture 1 brighter than the mid-grey query is farther from it (2550) than a black one (1280). cdist of the same arrays
# and cosine are right. No warning; whoever looks for duplicates among pictures meets it.
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"; "$work/venv/bin/pip" install -q 'scipy==1.17.1' 'numpy==2.4.6'
cat >"$work/show.py" <<'PY'
import numpy as np
from scipy.spatial import distance

grey = np.full(100, 128, np.uint8)
for value in (127, 129, 0):
    other = np.full(100, value, np.uint8)
    right = distance.cdist(grey[None], other[None], "euclidean").item()
    print(value, *(round(float(d(grey, other))) for d in (distance.euclidean, distance.cityblock)), round(right))
    print(value, *(round(float(d(other, grey))) for d in (distance.euclidean, distance.cityblock)), round(right))
PY
shown=$("$work/venv/bin/python" "$work/show.py" 2>/dev/null)
[[ $shown == $'127 10 100 10\n127 2550 25500 10\n129 2550 25500 10\n129 10 100 10\n0 1280 12800 1280\n0 1280 12800 1280' ]] || { echo "it is otherwise now: $shown"; exit 1; }
echo "euclidean and cityblock of uint8 pictures wrap: 1 level of difference counts as 255 in one order"
