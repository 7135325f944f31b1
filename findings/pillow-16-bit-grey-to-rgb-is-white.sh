#!/usr/bin/env bash
# Pillow 13.0.0, torchvision 0.29.1, OpenCV 5.0.0: a grey PNG or TIFF of 16 bits (X-rays, depth, microscopy) opened and
# converted to "RGB" is cut at 255, not scaled: nearly white. torchvision's ImageFolder loads each picture so. OpenCV
# scales to 0..255, and a colour PNG of 16 bits is scaled in Pillow too: the same values in colour and in grey come out
# differently. Levels 0, 20, 40, 60, 80 and 100 % of white:
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"; "$work/venv/bin/pip" install -q 'pillow==13.0.0' 'torchvision==0.29.1' 'torch==2.14.1' 'opencv-python-headless==5.0.0.93' 'numpy==2.4.6'
cat >"$work/show.py" <<'PY'
import tempfile
from pathlib import Path

import cv2
import numpy as np
from PIL import Image
from torchvision.datasets.folder import default_loader

levels = (np.linspace(0, 65535, 6).astype(np.uint16)).reshape(1, 6).repeat(4, 0)
folder = Path(tempfile.mkdtemp())
for name, pixels in (("grey.png", levels), ("grey.tif", levels), ("colour.png", levels[..., None].repeat(3, 2))):
    path = str(folder / name)
    cv2.imwrite(path, pixels)
    print(name, "Pillow", np.asarray(Image.open(path).convert("RGB"))[0, :, 0].tolist(), end=" ")
    print("ImageFolder", np.asarray(default_loader(path))[0, :, 0].tolist(), "OpenCV", cv2.imread(path)[0, :, 0].tolist())
PY
shown=$("$work/venv/bin/python" "$work/show.py" 2>/dev/null)
[[ $shown == $'grey.png Pillow [0, 255, 255, 255, 255, 255] ImageFolder [0, 255, 255, 255, 255, 255] OpenCV [0, 51, 102, 153, 204, 255]\ngrey.tif Pillow [0, 255, 255, 255, 255, 255] ImageFolder [0, 255, 255, 255, 255, 255] OpenCV [0, 51, 102, 153, 204, 255]\ncolour.png Pillow [0, 51, 102, 153, 204, 255] ImageFolder [0, 51, 102, 153, 204, 255] OpenCV [0, 51, 102, 153, 204, 255]' ]] || { echo "it is otherwise now: $shown"; exit 1; }
echo "a 16-bit grey picture made RGB is white above 255 of 65535"
