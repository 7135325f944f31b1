#!/usr/bin/env bash
# torchvision 0.29.1: RandomErasing(value="random") fills with normal noise of spread 1, cut to the picture's type: in a
# uint8 picture 0, 1, 2 and, as negative numbers wrap, 253 to 255, two thirds of it 0: speckled black instead of noise
# over all levels. value=0.5 is 0 there. So the same line does another thing in front of ToDtype than behind it, v2 and
# the first version alike. What the erased part of a grey picture (128) is, and its mean:
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"; "$work/venv/bin/pip" install -q 'torchvision==0.29.1' 'torch==2.14.1' 'numpy==2.4.6'
cat >"$work/show.py" <<'PY'
import torch
from torchvision.transforms import RandomErasing, v2

torch.manual_seed(0)
picture = torch.full((3, 200, 200), 128, dtype=torch.uint8)
for make in (v2.RandomErasing, RandomErasing):
    for value in ("random", 0.5):
        shown = make(p=1, value=value)(picture)
        erased = shown[shown != 128]
        middle = ((erased > 5) & (erased < 250)).sum().item()
        print(make.__module__.split(".")[2], value, f"black {(erased == 0).float().mean():.1f} between 5 and 250 {middle}")
PY
shown=$("$work/venv/bin/python" "$work/show.py" 2>/dev/null)
[[ $shown == $'v2 random black 0.7 between 5 and 250 0\nv2 0.5 black 1.0 between 5 and 250 0\ntransforms random black 0.7 between 5 and 250 0\ntransforms 0.5 black 1.0 between 5 and 250 0' ]] || { echo "it is otherwise now: $shown"; exit 1; }
echo "RandomErasing's noise is 0, 1, 2 and 253 to 255 in uint8"
