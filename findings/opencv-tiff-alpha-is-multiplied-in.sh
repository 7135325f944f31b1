#!/usr/bin/env bash
# OpenCV 5.0.0: a TIFF with transparency is multiplied by it as it is read, in colour and with IMREAD_UNCHANGED: what is
# half transparent is half as bright, what is wholly so is black. The same picture as PNG keeps its colours, as both do
# in Pillow 13.0.0. Nothing is said. Levels of a picture of 200 that is opaque, half and wholly transparent:
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"; "$work/venv/bin/pip" install -q 'opencv-python-headless==5.0.0.93' 'pillow==13.0.0' 'numpy==2.4.6'
cat >"$work/show.py" <<'PY'
import os
import tempfile

import cv2
import numpy as np
from PIL import Image

picture = np.full((4, 3, 4), 200, np.uint8)
picture[..., 3] = 255, 128, 0
for form in ("png", "tif"):
    path = os.path.join(tempfile.mkdtemp(), f"icon.{form}")
    Image.fromarray(picture).save(path)
    read = {"OpenCV": cv2.imread(path), "unchanged": cv2.imread(path, cv2.IMREAD_UNCHANGED)}
    read["Pillow"] = np.asarray(Image.open(path).convert("RGB"))
    print(form, *(f"{name} {' '.join(map(str, levels[0, :, 0]))}" for name, levels in read.items()), sep=", ")
PY
shown=$("$work/venv/bin/python" "$work/show.py")
[[ $shown == $'png, OpenCV 200 200 200, unchanged 200 200 200, Pillow 200 200 200\ntif, OpenCV 200 100 0, unchanged 200 100 0, Pillow 200 200 200' ]] || { echo "it is otherwise now: $shown"; exit 1; }
echo "OpenCV darkens a TIFF by its transparency, a PNG not"
