#!/usr/bin/env bash
# torchinfo 1.8.0, thop 0.1.1.post2209072238, torch 2.14.1: for a vision transformer "Total mult-adds" of torchinfo is
# about its number of parameters: a linear layer counts once a picture, whatever the number of tokens, and attention not
# at all. ViT-B/16 has 0.17e9 there, and 17.6e9 in truth (197 tokens). So a ViT looks 10 times cheaper than ResNet-18
# (1.8e9, right) where it costs 10 times as much. thop has 11.3e9: attention's projections and products are left out.
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"; "$work/venv/bin/pip" install -q 'torchinfo==1.8.0' 'thop==0.1.1.post2209072238' 'torch==2.14.1' 'torchvision==0.29.1' 'numpy==2.4.6'
cat >"$work/show.py" <<'PY'
import thop
import torch
import torchinfo
from torchvision.models import resnet18, vit_b_16

x = torch.zeros(1, 3, 224, 224)
for name, make in (("resnet18", resnet18), ("vit_b_16", vit_b_16)):
    info = torchinfo.summary(make(), input_data=x, verbose=0).total_mult_adds
    print(name, f"torchinfo {info / 1e9:.2f}e9", f"thop {thop.profile(make(), (x,), verbose=False)[0] / 1e9:.1f}e9")
PY
shown=$("$work/venv/bin/python" "$work/show.py" 2>/dev/null)
[[ $shown == $'resnet18 torchinfo 1.81e9 thop 1.8e9\nvit_b_16 torchinfo 0.17e9 thop 11.3e9' ]] || { echo "it is otherwise now: $shown"; exit 1; }
echo "ViT-B/16 has 0.17e9 multiply-adds in torchinfo, 17.6e9 in truth"
