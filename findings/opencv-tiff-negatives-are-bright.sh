#!/usr/bin/env bash
# OpenCV 5.0.0: a TIFF of signed 16-bit values (CT, heights), read as colour or grey, takes the high byte for a level:
# -1000, air, is 252 and nearly white, 1000 is 3. Pillow 13.0.0's `convert("L")` cuts: 0 and 255. Nothing is said.
# IMREAD_UNCHANGED gives the values. Levels of -1000, 0 and 1000:
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"; "$work/venv/bin/pip" install -q 'opencv-python-headless==5.0.0.93' 'tifffile==2026.3.3' 'pillow==13.0.0' 'numpy==2.4.6'
cat >"$work/show.py" <<'PY'
import os
import tempfile

import cv2
import numpy as np
import tifffile
from PIL import Image

path = os.path.join(tempfile.mkdtemp(), "slice.tif")
tifffile.imwrite(path, np.tile(np.array([-1000, 0, 1000], np.int16), (4, 1)))
for name, flag in (("unchanged", cv2.IMREAD_UNCHANGED), ("grey", cv2.IMREAD_GRAYSCALE), ("colour", cv2.IMREAD_COLOR)):
    print("OpenCV", name, *cv2.imread(path, flag)[0].reshape(3, -1)[:, 0])
print("Pillow grey", *np.asarray(Image.open(path).convert("L"))[0])
PY
shown=$("$work/venv/bin/python" "$work/show.py" 2>/dev/null)
[[ $shown == $'OpenCV unchanged -1000 0 1000\nOpenCV grey 252 0 3\nOpenCV colour 252 0 3\nPillow grey 0 0 255' ]] || { echo "it is otherwise now: $shown"; exit 1; }
echo "the air of a signed TIFF is white in OpenCV"
