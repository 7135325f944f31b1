#!/usr/bin/env bash
# torchvision 0.29.1: tv_tensors.KeyPoints are flipped as numbers of pixels, x to W - 1 - x, and turned as coordinates,
# by 180 degrees x to W - x. So a point on a bright pixel stays on it in a flip, a crop, a shift and a pad, and is one
# pixel off, to the right or below, in rotate by 90, 180 or -90 degrees; flipped twice or turned by 180 it is at two
# places. Under RandomRotation landmarks move against their pictures, and test-time augmentation by both averages two
# places. Where the pixel and the point are after each:
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"; "$work/venv/bin/pip" install -q 'torchvision==0.29.1' 'torch==2.14.1' 'numpy==2.4.6'
cat >"$work/show.py" <<'PY'
import torch
from torchvision import tv_tensors
from torchvision.transforms.v2 import functional

picture = torch.zeros(1, 40, 60)
picture[0, 7, 13] = 1
picture = tv_tensors.Image(picture)
points = tv_tensors.KeyPoints([[13.0, 7.0]], canvas_size=(40, 60))
ways = {
    "flipped": functional.horizontal_flip,
    "flipped twice": lambda x: functional.vertical_flip(functional.horizontal_flip(x)),
    "turned by 180": lambda x: functional.rotate(x, 180),
    "by 90": lambda x: functional.rotate(x, 90, expand=True),
    "by -90": lambda x: functional.rotate(x, -90, expand=True),
}
for name, way in ways.items():
    y, x = (way(picture)[0] == 1).nonzero()[0].tolist()
    print(name, (x, y), tuple(way(points)[0].int().tolist()), end="; ")
PY
shown=$("$work/venv/bin/python" "$work/show.py" 2>/dev/null)
[[ $shown == $'flipped (46, 7) (46, 7); flipped twice (46, 32) (46, 32); turned by 180 (46, 32) (47, 33); by 90 (7, 46) (7, 47); by -90 (32, 13) (33, 13); ' ]] || { echo "it is otherwise now: $shown"; exit 1; }
echo "key points are one pixel off when they are turned, not when they are flipped"
