#!/usr/bin/env bash
# scikit-image 0.26.0: resize, rotate and gaussian scale integer pictures by the range of their type, so a picture of
# 0..255 that is int64 (what np.array of a nested list, a sum or torch's arithmetic gives) comes back as about 2e-17:
# black, a float64 as always, without a warning. The same values as uint8 give 0..1, as float64 stay 0..255.
# preserve_range=True leaves all three alone.
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"; "$work/venv/bin/pip" install -q 'scikit-image==0.26.0' 'numpy==2.4.6' 'scipy==1.17.1'
cat >"$work/show.py" <<'PY'
import numpy as np
from skimage.filters import gaussian
from skimage.transform import resize, rotate

picture = np.random.default_rng(0).integers(0, 256, (32, 32))
for kind in (np.uint8, np.float64, np.int64):
    x = picture.astype(kind)
    shown = (resize(x, (16, 16)), rotate(x, 10), gaussian(x), resize(x, (16, 16), preserve_range=True))
    print(x.dtype, *("black" if y.max() < 1e-9 else "0..1" if y.max() <= 1 else "0..255" for y in shown))
PY
shown=$("$work/venv/bin/python" "$work/show.py" 2>/dev/null)
[[ $shown == $'uint8 0..1 0..1 0..1 0..255\nfloat64 0..255 0..255 0..255 0..255\nint64 black black black 0..255' ]] || { echo "it is otherwise now: $shown"; exit 1; }
echo "pictures of 0..255 in int64 are black after resize, rotate and gaussian"
