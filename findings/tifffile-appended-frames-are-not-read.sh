#!/usr/bin/env bash
# tifffile 2026.3.3: frames written one by one, by imwrite(append=True) or a TiffWriter, are a series each, and imread
# reads the first series: of five frames one comes back, without a word. One could guess a stack of 5 x H x W. Pillow
# 13.0.0 counts five frames; scikit-image 0.26.0, which reads by tifffile, gives the first. imread(key=slice(None)) reads
# all, and so does imread of frames written with contiguous=True or metadata=None.
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"; "$work/venv/bin/pip" install -q 'tifffile==2026.3.3' 'scikit-image==0.26.0' 'pillow==13.0.0' 'numpy==2.4.6'
cat >"$work/show.py" <<'PY'
import os
import tempfile

import numpy as np
import skimage.io
import tifffile
from PIL import Image

os.chdir(tempfile.mkdtemp())
frames = [np.full((8, 9), level, np.uint8) for level in range(5)]
for frame in frames:
    tifffile.imwrite("appended.tif", frame, append=True)
for name, options in (("writer", {}), ("contiguous", {"contiguous": True}), ("no metadata", {"metadata": None})):
    with tifffile.TiffWriter(f"{name}.tif") as writer:
        for frame in frames:
            writer.write(frame, **options)
for name in ("appended", "writer", "contiguous", "no metadata"):
    path = f"{name}.tif"
    print(name, tifffile.imread(path).shape, "all", tifffile.imread(path, key=slice(None)).shape)
print("skimage", skimage.io.imread("appended.tif").shape, "Pillow", Image.open("appended.tif").n_frames)
PY
shown=$("$work/venv/bin/python" "$work/show.py" 2>/dev/null)
[[ $shown == $'appended (8, 9) all (5, 8, 9)\nwriter (8, 9) all (5, 8, 9)\ncontiguous (5, 8, 9) all (5, 8, 9)\nno metadata (5, 8, 9) all (5, 8, 9)\nskimage (8, 9) Pillow 5' ]] || { echo "it is otherwise now: $shown"; exit 1; }
echo "of five frames appended to a TIFF imread gives the first"
