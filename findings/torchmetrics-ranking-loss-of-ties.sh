#!/usr/bin/env bash
# torchmetrics 1.9.0: the ranking loss of equal scores (a dead multi-label net) depends on which label is the true one:
# 1 for the first, 0, a perfect ranking, for the last: ties go by place. scikit-learn 1.9.1 counts each tie as wrong: 1
# for all.
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"; "$work/venv/bin/pip" install -q 'torchmetrics==1.9.0' 'torch==2.14.1' 'scikit-learn==1.9.1' 'numpy==2.4.6'
cat >"$work/show.py" <<'PY'
import torch
from sklearn.metrics import label_ranking_loss
from torchmetrics.functional.classification import multilabel_ranking_loss

flat = torch.zeros(1, 4) + 0.5
for truth in ([1, 0, 0, 0], [0, 1, 0, 0], [0, 0, 0, 1]):
    labels = torch.tensor([truth])
    loss = multilabel_ranking_loss(flat, labels, num_labels=4).item()
    print(truth, "torchmetrics", round(loss, 2), "scikit-learn", label_ranking_loss(labels.numpy(), flat.numpy()))
PY
shown=$("$work/venv/bin/python" "$work/show.py" 2>/dev/null)
[[ $shown == $'[1, 0, 0, 0] torchmetrics 1.0 scikit-learn 1.0\n[0, 1, 0, 0] torchmetrics 0.67 scikit-learn 1.0\n[0, 0, 0, 1] torchmetrics 0.0 scikit-learn 1.0' ]] || { echo "it is otherwise now: $shown"; exit 1; }
echo "a dead net ranks the last label perfectly"
