#!/usr/bin/env bash
# monai 1.6.1: LoadImage of a PNG or JPEG gives width x height, not height x width: each picture is mirrored along its
# diagonal against Pillow, OpenCV and torchvision, with ensure_channel_first=True as well. A net trained on one and run
# on the other, or begun from weights of torchvision, sees its pictures lying on their side; square pictures don't tell.
# reader=PILReader(reverse_indexing=False) gives rows first. A picture 6 wide and 4 high, white at its top right:
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"; "$work/venv/bin/pip" install -q 'monai==1.6.1' 'torch==2.14.1' 'pillow==13.0.0' 'numpy==2.4.6'
cat >"$work/show.py" <<'PY'
import tempfile
from pathlib import Path

import numpy as np
from monai.data import PILReader
from monai.transforms import LoadImage
from PIL import Image

pixels = np.zeros((4, 6, 3), np.uint8)
pixels[0, 5] = 255
path = str(Path(tempfile.mkdtemp()) / "picture.png")
Image.fromarray(pixels).save(path)
for options in ({}, {"ensure_channel_first": True}, {"reader": PILReader(reverse_indexing=False)}):
    shown = LoadImage(image_only=True, **options)(path).numpy()
    print(*options, shown.shape, "white at", np.argwhere(shown > 0)[0].tolist())
PY
shown=$("$work/venv/bin/python" "$work/show.py" 2>/dev/null)
[[ $shown == $'(6, 4, 3) white at [5, 0, 0]\nensure_channel_first (3, 6, 4) white at [0, 5, 0]\nreader (4, 6, 3) white at [0, 5, 0]' ]] || { echo "it is otherwise now: $shown"; exit 1; }
echo "monai's LoadImage gives width x height"
