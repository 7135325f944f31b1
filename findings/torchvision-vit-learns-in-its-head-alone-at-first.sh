#!/usr/bin/env bash
# torchvision 0.29.1: a fresh VisionTransformer has a head of zeros: its first loss is ln C to the last digit whatever
# the pictures, all its answers are class 0 (by argmax), and the first gradient of everything but the head is exactly 0.
# A check of the kind "every parameter has a gradient" calls it broken, gradient clipping and warm-up by the first
# step's norm see the head alone, and one step of overfitting tests moves nothing else. torchvision's Swin doesn't begin
# so.
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"; "$work/venv/bin/pip" install -q 'torch==2.14.1' 'torchvision==0.29.1' 'numpy==2.4.6'
cat >"$work/show.py" <<'PY'
import math

import torch
import torch.nn.functional as F
from torchvision.models import VisionTransformer, swin_t

torch.manual_seed(0)
x, labels = torch.randn(4, 3, 32, 32), torch.tensor([0, 1, 2, 3])
for name, net in (
    ("vit", VisionTransformer(32, 8, 2, 2, 32, 64, num_classes=10)),
    ("swin_t", swin_t(num_classes=10)),
):
    for step in (1, 2):
        loss = F.cross_entropy(net(x), labels)
        net.zero_grad()
        loss.backward()
        without = sum(not p.grad.any() for p in net.parameters())
        even = abs(loss.item() - math.log(10)) < 1e-6
        print(name, step, "loss ln 10:", even, "without gradient", without, "of", len(list(net.parameters())))
        torch.optim.SGD(net.parameters(), lr=0.1).step()
PY
shown=$("$work/venv/bin/python" "$work/show.py" 2>/dev/null)
[[ $shown == $'vit 1 loss ln 10: True without gradient 30 of 32\nvit 2 loss ln 10: False without gradient 0 of 32\nswin_t 1 loss ln 10: False without gradient 0 of 173\nswin_t 2 loss ln 10: False without gradient 0 of 173' ]] || { echo "it is otherwise now: $shown"; exit 1; }
echo "a fresh ViT of torchvision: loss ln C, and no gradient but in the head"
