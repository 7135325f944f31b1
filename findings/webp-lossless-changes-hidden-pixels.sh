#!/usr/bin/env bash
# Pillow 13.0.0, OpenCV 5.0.0: a WebP saved as lossless is not: the colours of wholly transparent pixels become black,
# which `convert("RGB")` and OpenCV's reading in colour show. Pillow's `exact=True` keeps them, as PNG does. Mean level
# of a grey picture of 200 whose left half is transparent, read back as RGB:
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"; "$work/venv/bin/pip" install -q 'pillow==13.0.0' 'opencv-python-headless==5.0.0.93' 'numpy==2.4.6'
cat >"$work/show.py" <<'PY'
import io

import cv2
import numpy as np
from PIL import Image

picture = np.full((32, 32, 4), 200, np.uint8)
picture[:, :16, 3] = 0
for form, options in (("PNG", {}), ("WEBP", {"lossless": True}), ("WEBP", {"lossless": True, "exact": True})):
    file = io.BytesIO()
    Image.fromarray(picture).save(file, form, **options)
    print("Pillow", form, *options, np.asarray(Image.open(file).convert("RGB")).mean())
for form, options in ((".png", []), (".webp", [cv2.IMWRITE_WEBP_QUALITY, 101])):
    print("OpenCV", form, cv2.imdecode(cv2.imencode(form, picture, options)[1], cv2.IMREAD_COLOR).mean())
PY
shown=$("$work/venv/bin/python" "$work/show.py")
[[ $shown == $'Pillow PNG 200.0\nPillow WEBP lossless 100.0\nPillow WEBP lossless exact 200.0\nOpenCV .png 200.0\nOpenCV .webp 100.0' ]] || { echo "it is otherwise now: $shown"; exit 1; }
echo "a lossless WebP blackens what is transparent"
