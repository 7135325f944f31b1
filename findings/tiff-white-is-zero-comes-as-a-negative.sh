#!/usr/bin/env bash
# A TIFF may say that 0 is white (faxes, X-rays). Pillow 13.0.0 turns it round for 8 bits, not for 16; OpenCV 5.0.0 for
# 8 bits, and for 16 only where it makes 8 of them; tifffile 2026.3.3, and imageio 2.38.1 and scikit-image 0.26.0 that
# read by it, never. What each gives for white:
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"; "$work/venv/bin/pip" install -q 'pillow==13.0.0' 'opencv-python-headless==5.0.0.93' 'tifffile==2026.3.3' 'imageio==2.38.1' 'scikit-image==0.26.0' 'numpy==2.4.6' 'scipy==1.17.1'
cat >"$work/show.py" <<'PY'
import os
import tempfile

import cv2
import imageio.v3
import numpy as np
import skimage.io
import tifffile
from PIL import Image

path = os.path.join(tempfile.mkdtemp(), "white.tif")
for kind, white in ((np.uint8, 255), (np.uint16, 65535)):
    tifffile.imwrite(path, np.zeros((8, 8), kind), photometric="miniswhite")
    print(f"white of {white}:", end="")
    for name, read in (
        ("Pillow", lambda: np.asarray(Image.open(path))),
        ("OpenCV", lambda: cv2.imread(path, cv2.IMREAD_UNCHANGED)),
        ("in grey", lambda: cv2.imread(path, cv2.IMREAD_GRAYSCALE)),
        ("tifffile", lambda: tifffile.imread(path)),
        ("imageio", lambda: imageio.v3.imread(path)),
        ("skimage", lambda: skimage.io.imread(path)),
    ):
        print("", name, read().max(), end="")
    print()
PY
shown=$("$work/venv/bin/python" "$work/show.py" 2>/dev/null)
[[ $shown == $'white of 255: Pillow 255 OpenCV 255 in grey 255 tifffile 0 imageio 0 skimage 0\nwhite of 65535: Pillow 0 OpenCV 0 in grey 255 tifffile 0 imageio 0 skimage 0' ]] || { echo "it is otherwise now: $shown"; exit 1; }
echo "a 16-bit TIFF whose 0 is white is a negative in Pillow, one of 8 bits in tifffile"
