#!/usr/bin/env bash
# timm 1.0.31: BinaryCrossEntropy, LabelSmoothingCrossEntropy and Mixup smooth by 0.1 unless told not to, torch's losses
# by 0: a net that is right and sure (logits of 20) has, of 10 classes, a loss of 3.60 by LabelSmoothingCrossEntropy and
# 0.36 by BinaryCrossEntropy instead of 0, and Mixup's labels are at most 0.91, even where nothing is mixed (prob=0, or
# switched off after some epochs by mixup_enabled). So losses don't compare with torch's.
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"; "$work/venv/bin/pip" install -q 'timm==1.0.31' 'torch==2.14.1' 'torchvision==0.29.1' 'numpy==2.4.6'
cat >"$work/show.py" <<'PY'
import torch
from timm.data import Mixup
from timm.loss import BinaryCrossEntropy, LabelSmoothingCrossEntropy
from torch import nn

labels = torch.arange(10)
logits = 40.0 * torch.eye(10) - 20
for loss in (nn.CrossEntropyLoss(), LabelSmoothingCrossEntropy(), BinaryCrossEntropy()):
    print(type(loss).__name__, f"{loss(logits, labels).item():.2f}")
for options in ({"prob": 0.0}, {"prob": 1.0, "label_smoothing": 0.0}):
    mix = Mixup(num_classes=10, **options)
    mix.mixup_enabled = False
    print("Mixup, nothing mixed", *options, f"{mix(torch.rand(10, 3, 4, 4), labels)[1].max().item():.2f}")
PY
shown=$("$work/venv/bin/python" "$work/show.py" 2>/dev/null)
[[ $shown == $'CrossEntropyLoss 0.00\nLabelSmoothingCrossEntropy 3.60\nBinaryCrossEntropy 0.36\nMixup, nothing mixed prob 0.91\nMixup, nothing mixed prob label_smoothing 1.00' ]] || { echo "it is otherwise now: $shown"; exit 1; }
echo "timm's losses and Mixup smooth labels by 0.1 unless told not to"
