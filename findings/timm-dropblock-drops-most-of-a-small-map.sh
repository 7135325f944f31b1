#!/usr/bin/env bash
# timm 1.0.31: DropBlock2d(0.1, block_size=7) drops 13 % of a map of 32 x 32, 19 % of one of 16 x 16 and 61 % of one of
# 8 x 8: it works out its rate as if blocks lay inside the map, and draws their middles over the whole of it.
# torchvision 0.29.1 keeps to 9 %. The mean stays 1 in both. Shares:
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"; "$work/venv/bin/pip" install -q 'timm==1.0.31' 'torch==2.14.1' 'torchvision==0.29.1' 'numpy==2.4.6'
cat >"$work/show.py" <<'PY'
import torch
from timm.layers import DropBlock2d
from torchvision.ops import DropBlock2d as Other

torch.manual_seed(0)
for size in (32, 16, 8):
    for name, layer in (("torchvision", Other(0.1, 7)), ("timm", DropBlock2d(0.1, 7))):
        shown = layer(torch.ones(512, 16, size, size))
        print(f"{size} x {size} {name} drops {(shown == 0).float().mean():.1f} mean {shown.mean():.1f}")
PY
shown=$("$work/venv/bin/python" "$work/show.py" 2>/dev/null)
[[ $shown == $'32 x 32 torchvision drops 0.1 mean 1.0\n32 x 32 timm drops 0.1 mean 1.0\n16 x 16 torchvision drops 0.1 mean 1.0\n16 x 16 timm drops 0.2 mean 1.0\n8 x 8 torchvision drops 0.1 mean 1.0\n8 x 8 timm drops 0.6 mean 1.0' ]] || { echo "it is otherwise now: $shown"; exit 1; }
echo "DropBlock2d(0.1, 7) of timm drops 61 % of a map of 8 x 8"
