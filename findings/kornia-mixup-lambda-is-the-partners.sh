#!/usr/bin/env bash
# kornia 0.9.0, torchvision 0.29.1: RandomMixUpV2 and RandomCutMixV2 give each picture's label, its partner's and a
# lambda, and lambda is the share of the partner: in torchvision, timm and the papers it is that of the picture itself.
# The usual loss "lam * loss(own) + (1 - lam) * loss(partner)" teaches the wrong labels: shares of 0.9 and 0.1 change
# places. Shown: a black picture of label 10 mixed with a white one of label 20, and what part of it is white.
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"; "$work/venv/bin/pip" install -q 'kornia==0.9.0' 'torch==2.14.1' 'torchvision==0.29.1' 'numpy==2.4.6'
cat >"$work/show.py" <<'PY'
import kornia.augmentation as K
import torch
from torchvision.transforms import v2

torch.manual_seed(0)
x, y = torch.zeros(2, 1, 8, 8), torch.tensor([10, 20])
x[1] = 1
for make in (K.RandomMixUpV2, K.RandomCutMixV2):
    agree = []
    for _ in range(20):
        shown, labels = make(p=1.0, data_keys=["input", "class"])(x, y)
        own, partner, lam = labels.reshape(2, 3)[0].tolist()
        if own != partner:
            agree.append(abs(shown[0].mean().item() - lam) < 1e-5)
    print(make.__name__, "lambda is the share of the partner:", all(agree))
for make in (v2.MixUp, v2.CutMix):
    agree = []
    for _ in range(20):
        shown, labels = make(num_classes=2)(x, torch.tensor([0, 1]))
        agree.append(abs(labels[0, 1].item() - shown[0].mean().item()) < 1e-5)
    print("torchvision", make.__name__, "label's share of white is the picture's:", all(agree))
PY
shown=$("$work/venv/bin/python" "$work/show.py" 2>/dev/null)
[[ $shown == $'RandomMixUpV2 lambda is the share of the partner: True\nRandomCutMixV2 lambda is the share of the partner: True\ntorchvision MixUp label\'s share of white is the picture\'s: True\ntorchvision CutMix label\'s share of white is the picture\'s: True' ]] || { echo "it is otherwise now: $shown"; exit 1; }
echo "kornia's lambda is the share of the partner"
