#!/usr/bin/env bash
# datasets 5.2.0, torchvision 0.29.1: pictures kept as Array3D(dtype="uint8") come out of with_format("torch") and
# with_format("numpy") as int64, whatever the feature says; those of a feature Image stay uint8. torchvision's
# ToDtype(float32, scale=True) divides int64 by 2^63: all pictures are black (2e-17 for 200), without a word.
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"; "$work/venv/bin/pip" install -q 'datasets==5.2.0' 'torch==2.14.1' 'torchvision==0.29.1' 'pillow==13.0.0' 'numpy==2.4.6'
cat >"$work/show.py" <<'PY'
import numpy as np
import torch
from datasets import Array3D, Dataset, Features, Image
from PIL import Image as pillow
from torchvision.transforms import v2

pixels = np.full((3, 4, 4), 200, np.uint8)
arrays = Dataset.from_dict({"x": [pixels]}, features=Features({"x": Array3D((3, 4, 4), "uint8")}))
pictures = Dataset.from_dict({"x": [pillow.fromarray(pixels.transpose(1, 2, 0))]}, features=Features({"x": Image()}))
print("stored as", arrays.features["x"].dtype, "numpy", arrays.with_format("numpy")[0]["x"].dtype)
for name, rows in (("Array3D", arrays), ("Image", pictures)):
    x = rows.with_format("torch")[0]["x"]
    print(name, x.dtype, f"scaled {v2.ToDtype(torch.float32, scale=True)(x).max().item():.1g}")
PY
shown=$("$work/venv/bin/python" "$work/show.py" 2>/dev/null)
[[ $shown == $'stored as uint8 numpy int64\nArray3D torch.int64 scaled 2e-17\nImage torch.uint8 scaled 0.8' ]] || { echo "it is otherwise now: $shown"; exit 1; }
echo "uint8 pictures come as int64, and are black when scaled"
