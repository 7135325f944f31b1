#!/usr/bin/env bash
# kornia 0.9.0: focal_loss(reduction="mean") of a classifier divides by pictures times classes: with gamma 0 and no
# alpha it is the cross entropy divided by the number of classes (1/10 for CIFAR-10, 1/100 for 100 classes), so the rate
# that suits cross entropy is that much too small. alpha=0.25 is no common factor either: class 0 counts as background
# and gets 0.75, all others 0.25.
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"; "$work/venv/bin/pip" install -q 'kornia==0.9.0' 'torch==2.14.1' 'numpy==2.4.6'
cat >"$work/show.py" <<'PY'
import torch
import torch.nn.functional as F
from kornia.losses import focal_loss

for classes in (2, 10, 100):
    logits = torch.randn(64, classes, generator=torch.Generator().manual_seed(0))
    labels = torch.arange(64) % classes
    whole = F.cross_entropy(logits, labels)
    print(classes, round((focal_loss(logits, labels, alpha=None, gamma=0.0, reduction="mean") / whole).item(), 4))
logits = torch.zeros(1, 3)
whole = F.cross_entropy(logits, torch.tensor([0]))
for label in (0, 1, 2):
    weighted = focal_loss(logits, torch.tensor([label]), alpha=0.25, gamma=0.0, reduction="sum")
    print("class", label, "weighs", round((weighted / whole).item(), 4))
PY
shown=$("$work/venv/bin/python" "$work/show.py" 2>/dev/null)
[[ $shown == $'2 0.5\n10 0.1\n100 0.01\nclass 0 weighs 0.75\nclass 1 weighs 0.25\nclass 2 weighs 0.25' ]] || { echo "it is otherwise now: $shown"; exit 1; }
echo "focal loss of 100 classes is a hundredth of the cross entropy, class 0 weighs three times the others"
