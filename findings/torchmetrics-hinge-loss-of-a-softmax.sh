#!/usr/bin/env bash
# torchmetrics 1.9.0: hinge_loss puts scores through a softmax as soon as one of them lies outside 0..1, so the margin
# of an SVM is measured between probabilities: scores that are ahead by 1 have loss 0, ahead by 2 have 0.32, where
# scikit-learn 1.9.1 (and Weston and Watkins's, or Crammer and Singer's formula) has 0 for both.
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"; "$work/venv/bin/pip" install -q 'torchmetrics==1.9.0' 'torch==2.14.1' 'scikit-learn==1.9.1' 'numpy==2.4.6'
cat >"$work/show.py" <<'PY'
import torch
import torch.nn.functional as F
from sklearn.metrics import hinge_loss
from torchmetrics.functional import hinge_loss as theirs

labels = torch.tensor([0, 1, 2])
for margin in (0.5, 1.0, 2.0, 4.0):
    scores = margin * torch.eye(3)
    said = theirs(scores, labels, task="multiclass", num_classes=3).item()
    right = hinge_loss(labels.numpy(), scores.numpy(), labels=[0, 1, 2])
    print(f"ahead by {margin:g}: torchmetrics {said:.2f} scikit-learn {right:.2f}")
PY
shown=$("$work/venv/bin/python" "$work/show.py" 2>/dev/null)
[[ $shown == $'ahead by 0.5: torchmetrics 0.50 scikit-learn 0.50\nahead by 1: torchmetrics 0.00 scikit-learn 0.00\nahead by 2: torchmetrics 0.32 scikit-learn 0.00\nahead by 4: torchmetrics 0.05 scikit-learn 0.00' ]] || { echo "it is otherwise now: $shown"; exit 1; }
echo "hinge loss 0.00 for a margin of 1, 0.32 for one of 2"
