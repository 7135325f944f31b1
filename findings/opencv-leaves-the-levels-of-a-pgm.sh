#!/usr/bin/env bash
# OpenCV 5.0.0, Pillow 13.0.0: a PGM names the value of its white. Pillow stretches it to 255 or 65535; OpenCV leaves
# the values, so a picture of 16 levels ends at 15, one of 10 bits at 1023, and read in colour (8 bits) at 3: black to a
# net that wants 0..255.
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"; "$work/venv/bin/pip" install -q 'opencv-python-headless==5.0.0.93' 'pillow==13.0.0' 'numpy==2.4.6'
cat >"$work/show.py" <<'PY'
import io

import cv2
import numpy as np
from PIL import Image

for white in (15, 255, 1023, 65535):
    pixels = np.array([[0, white // 2, white]])
    file = b"P5 3 1 %d\n" % white + pixels.astype(">u2" if white > 255 else "u1").tobytes()
    raw = np.frombuffer(file, np.uint8)
    print(white, "Pillow", np.asarray(Image.open(io.BytesIO(file))).max(), end=" ")
    print("OpenCV", cv2.imdecode(raw, cv2.IMREAD_UNCHANGED).max(), "in colour", cv2.imdecode(raw, cv2.IMREAD_COLOR).max())
PY
shown=$("$work/venv/bin/python" "$work/show.py" 2>/dev/null)
[[ $shown == $'15 Pillow 255 OpenCV 15 in colour 15\n255 Pillow 255 OpenCV 255 in colour 255\n1023 Pillow 65535 OpenCV 1023 in colour 3\n65535 Pillow 65535 OpenCV 65535 in colour 255' ]] || { echo "it is otherwise now: $shown"; exit 1; }
echo "white of a 10-bit PGM is 65535 in Pillow, 1023 or 3 in OpenCV"
