#!/usr/bin/env bash
# Pillow 13.0.0: a colour JPEG 2000 of more than 8 bits (satellites, scans, films) is rounded to 8 past their end: its
# white comes as 0, and grey of 9 bits in a .jp2 too. Other grey comes as 16 bits, shifted: 4095 of 12 bits is 65520.
# OpenCV 5.0.0 gives the values of the file. No warning. White of each (written by imagecodecs 2026.3.6):
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"; "$work/venv/bin/pip" install -q 'pillow==13.0.0' 'imagecodecs==2026.3.6' 'opencv-python-headless==5.0.0.93' 'numpy==2.4.6'
cat >"$work/show.py" <<'PY'
import io

import cv2
import imagecodecs
import numpy as np
from PIL import Image

for bits in (8, 9, 12, 16):
    white = 2**bits - 1
    print(f"{bits} bits:", end="")
    for name, shape in (("colour", (16, 16, 3)), ("grey", (16, 16))):
        picture = np.full(shape, white, np.uint8 if bits == 8 else np.uint16)
        data = imagecodecs.jpeg2k_encode(picture, level=0, reversible=True, bitspersample=bits)
        other = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
        print(f" {name}: Pillow {np.asarray(Image.open(io.BytesIO(data))).max()} OpenCV {other.max()}", end="")
    print()
PY
shown=$("$work/venv/bin/python" "$work/show.py" 2>/dev/null)
[[ $shown == $'8 bits: colour: Pillow 255 OpenCV 255 grey: Pillow 255 OpenCV 255\n9 bits: colour: Pillow 0 OpenCV 511 grey: Pillow 0 OpenCV 511\n12 bits: colour: Pillow 0 OpenCV 4095 grey: Pillow 65520 OpenCV 4095\n16 bits: colour: Pillow 0 OpenCV 65535 grey: Pillow 65535 OpenCV 65535' ]] || { echo "it is otherwise now: $shown"; exit 1; }
echo "white of a 12-bit colour JPEG 2000 is black in Pillow"
