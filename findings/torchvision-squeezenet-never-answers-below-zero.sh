#!/usr/bin/env bash
# torchvision 0.29.1: SqueezeNet's classifier ends with a ReLU in front of its mean, so no logit is ever below 0, where
# those of other nets are of any sign; some of a fresh net are exactly 0. With labels of several classes (BCE) a class can
# be affirmed and never denied: a sigmoid isn't below a half, and a picture of no class costs ln 2 = 0.69 for each class,
# however long it is trained. Is any logit of random pictures below 0, are any 0, and what is the BCE of pictures without
# a class after 30 steps towards it?
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"; "$work/venv/bin/pip" install -q 'torchvision==0.29.1' 'torch==2.14.1' 'numpy==2.4.6'
cat >"$work/show.py" <<'PY'
import torch
from torch.nn.functional import binary_cross_entropy_with_logits as bce
from torchvision import models

for name in ("squeezenet1_0", "squeezenet1_1", "resnet18", "mobilenet_v3_small"):
    torch.manual_seed(0)
    net = models.get_model(name, num_classes=10)
    net.eval()
    pictures, none = torch.rand(8, 3, 64, 64), torch.zeros(8, 10)
    with torch.no_grad():
        logits = net(pictures)
    optimizer = torch.optim.Adam(net.parameters(), lr=0.001)
    for _ in range(30):
        optimizer.zero_grad()
        loss = bce(net(pictures), none)
        loss.backward()
        optimizer.step()
    print(name, "below 0:", bool((logits < 0).any()), "exactly 0:", bool((logits == 0).any()), f"loss at least {max(0.1, loss.item()):.2f}")
PY
shown=$(cd "$work" && "$work/venv/bin/python" "$work/show.py" 2>/dev/null)
[[ $shown == $'squeezenet1_0 below 0: False exactly 0: True loss at least 0.69\nsqueezenet1_1 below 0: False exactly 0: True loss at least 0.69\nresnet18 below 0: True exactly 0: False loss at least 0.10\nmobilenet_v3_small below 0: True exactly 0: False loss at least 0.10' ]] || { echo "it is otherwise now: $shown"; exit 1; }
echo "SqueezeNet has no logit below 0: no class can be denied"
