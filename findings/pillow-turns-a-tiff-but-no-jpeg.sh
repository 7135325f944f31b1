#!/usr/bin/env bash
# Pillow 13.0.0: a TIFF with an orientation is turned as it is opened, size and pixels, and the tag is gone, while JPEG,
# PNG and WebP with the same tag stay as they lie and need ImageOps.exif_transpose. So a set of both kinds is half
# turned without that call. tifffile 2026.3.3 leaves the TIFF as it lies. A picture of 30 x 20 with orientation 6 (turn
# by 90 degrees):
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"; "$work/venv/bin/pip" install -q 'pillow==13.0.0' 'tifffile==2026.3.3' 'numpy==2.4.6'
cat >"$work/show.py" <<'PY'
import io

import numpy as np
import tifffile
from PIL import Image

exif = Image.Exif()
exif[0x0112] = 6
picture = Image.fromarray(np.zeros((20, 30, 3), np.uint8))
for kind in ("JPEG", "PNG", "WEBP", "TIFF"):
    file = io.BytesIO()
    if kind == "TIFF":
        tifffile.imwrite(file, np.asarray(picture), photometric="rgb", extratags=[(274, "H", 1, 6, True)])
    else:
        picture.save(file, kind, exif=exif)
    image = Image.open(file)
    before = image.size
    image.load()
    print(kind, "opened", *before, "loaded", *image.size, "orientation", image.getexif().get(0x0112))
file.seek(0)
print("tifffile", *tifffile.imread(file).shape[1::-1])
PY
shown=$("$work/venv/bin/python" "$work/show.py" 2>/dev/null)
[[ $shown == $'JPEG opened 30 20 loaded 30 20 orientation 6\nPNG opened 30 20 loaded 30 20 orientation 6\nWEBP opened 30 20 loaded 30 20 orientation 6\nTIFF opened 20 30 loaded 20 30 orientation None\ntifffile 30 20' ]] || { echo "it is otherwise now: $shown"; exit 1; }
echo "Pillow turns a TIFF by its orientation, no JPEG, PNG or WebP"
