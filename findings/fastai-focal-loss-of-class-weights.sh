#!/usr/bin/env bash
# fastai 2.8.12: FocalLoss and FocalLossFlat take the probability in `(1 - p) ** gamma` from the loss that is weighted
# already: a class of weight w is focused by p ** w. Their docstring gives the weights as the way to the paper's alpha,
# and alpha = 0.25 makes a picture of p = 0.5 cost a tenth of what it should; a rare class of weight 10 costs 4 times
# too much and isn't focused at all. For gamma = 0, and without weights, it is right. Loss, divided by the paper's
# w * (1 - p) ** 2 * -log(p), of one picture with p = 0.5 by the weight of its class:
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"; "$work/venv/bin/pip" install -q --no-deps 'fastai==2.8.12'
"$work/venv/bin/pip" install -q 'torch==2.14.1' 'torchvision==0.29.1' 'numpy==2.4.6' 'fastcore==2.2.41' 'fastprogress==1.0.3' 'fastdownload==0.0.8' 'fasttransform==0.0.5' 'plum-dispatch==2.9.0' 'matplotlib==3.11.2' 'pandas==3.1.1' 'scipy==1.17.1' 'scikit-learn==1.9.1' 'requests' 'pyyaml' 'cloudpickle' 'packaging' 'Pillow==13.0.0'
cat >"$work/show.py" <<'PY'
import torch
from fastai.losses import FocalLossFlat

scores, label = torch.zeros(1, 2), torch.tensor([0])
for weight in (0.1, 0.25, 1.0, 10.0):
    found = FocalLossFlat(weight=torch.tensor([weight, 1.0]))(scores, label).item()
    half = torch.tensor(0.5)
    print(weight, f"{found / (weight * (1 - half) ** 2 * -half.log()).item():.2f}")
PY
shown=$("$work/venv/bin/python" "$work/show.py")
[[ $shown == $'0.1 0.02\n0.25 0.10\n1.0 1.00\n10.0 3.99' ]] || { echo "it is otherwise now: $shown"; exit 1; }
echo "the weights of fastai's focal loss change its focus"
