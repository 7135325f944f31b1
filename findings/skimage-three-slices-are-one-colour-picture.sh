#!/usr/bin/env bash
# scikit-image 0.26.0: `skimage.io.imread` of a TIFF of 3 or 4 pages (a short stack, three bands in pages) takes the
# pages for colours and moves them to the end: a grey volume of 3 slices is one colour picture. Of 2 or 5 pages it is a
# stack, as tifffile 2026.3.3 gives always. Nothing is said. Shapes of stacks of 8 x 9:
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"; "$work/venv/bin/pip" install -q 'scikit-image==0.26.0' 'tifffile==2026.3.3' 'imageio==2.38.1' 'numpy==2.4.6' 'scipy==1.17.1'
cat >"$work/show.py" <<'PY'
import os
import tempfile

import numpy as np
import skimage.io
import tifffile

path = os.path.join(tempfile.mkdtemp(), "stack.tif")
for pages in (2, 3, 4, 5):
    tifffile.imwrite(path, np.zeros((pages, 8, 9), np.uint8), photometric="minisblack")
    print(pages, "pages: tifffile", *tifffile.imread(path).shape, "skimage", *skimage.io.imread(path).shape)
PY
shown=$("$work/venv/bin/python" "$work/show.py" 2>/dev/null)
[[ $shown == $'2 pages: tifffile 2 8 9 skimage 2 8 9\n3 pages: tifffile 3 8 9 skimage 8 9 3\n4 pages: tifffile 4 8 9 skimage 8 9 4\n5 pages: tifffile 5 8 9 skimage 5 8 9' ]] || { echo "it is otherwise now: $shown"; exit 1; }
echo "three slices are one colour picture in scikit-image"
