#!/usr/bin/env bash
# kornia 0.9.0: center_crop to an odd difference (5 of 8, 225 of 256) cuts between the pixels and gives means of
# neighbours, where torchvision 0.29.1 moves by half a pixel and gives pixels. With mode="nearest" (masks of classes)
# columns come twice and others not at all.
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"; "$work/venv/bin/pip" install -q 'kornia==0.9.0' 'torch==2.14.1' 'torchvision==0.29.1' 'numpy==2.4.6'
cat >"$work/show.py" <<'PY'
import torch
from kornia.geometry.transform import center_crop
from torchvision.transforms.v2.functional import center_crop as other

row = torch.arange(8.0).expand(1, 1, 8, 8)
for size in (4, 5):
    for name, shown in (
        ("torchvision", other(row, [size, size])),
        ("bilinear", center_crop(row, (size, size))),
        ("nearest", center_crop(row, (size, size), mode="nearest")),
    ):
        print(size, "of 8", name, *(f"{v:g}" for v in shown[0, 0, 0].mul(100).round().div(100).tolist()))
PY
shown=$("$work/venv/bin/python" "$work/show.py" 2>/dev/null)
[[ $shown == $'4 of 8 torchvision 2 3 4 5\n4 of 8 bilinear 2 3 4 5\n4 of 8 nearest 2 3 4 5\n5 of 8 torchvision 2 3 4 5 6\n5 of 8 bilinear 1.5 2.5 3.5 4.5 5.5\n5 of 8 nearest 1 2 4 4 6' ]] || { echo "it is otherwise now: $shown"; exit 1; }
echo "an odd centre crop is blurred, or repeats a column"
