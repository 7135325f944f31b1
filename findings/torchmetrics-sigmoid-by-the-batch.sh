#!/usr/bin/env bash
# torchmetrics 1.9.0: AUROC, accuracy and the like take logits as well, and find out by the values: a sigmoid is applied
# to a batch if one value is outside 0..1. So batches in which all logits happen to lie in 0..1 are taken for
# probabilities and others not, and the figure depends on the batch size: with single pictures or small last batches a
# logit of 0.4 is a "no", in a larger batch a "yes". Batches of 2,000, 4, 2 and 1 of the same logits; scikit-learn 1.9.1
# (AUROC) and logit > 0 (accuracy) in front:
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"; "$work/venv/bin/pip" install -q 'torchmetrics==1.9.0' 'torch==2.14.1' 'scikit-learn==1.9.1' 'numpy==2.4.6'
cat >"$work/show.py" <<'PY'
import torch
from sklearn.metrics import roc_auc_score
from torchmetrics.classification import BinaryAccuracy, BinaryAUROC

torch.manual_seed(0)
truth = torch.randint(0, 2, (2000,))
logits = torch.randn(2000) * 0.7 + truth - 0.5
told = [f"{roc_auc_score(truth, logits):.2f}"], [f"{((logits > 0) == truth).float().mean():.2f}"]
for size in (2000, 4, 2, 1):
    for row, metric in zip(told, (BinaryAUROC(), BinaryAccuracy())):
        for some, labels in zip(logits.split(size), truth.split(size)):
            metric.update(some, labels)
        row.append(f"{metric.compute():.2f}")
print("AUROC", *told[0])
print("accuracy", *told[1])
PY
shown=$("$work/venv/bin/python" "$work/show.py" 2>/dev/null)
[[ $shown == $'AUROC 0.86 0.86 0.85 0.82 0.77\naccuracy 0.76 0.76 0.76 0.75 0.71' ]] || { echo "it is otherwise now: $shown"; exit 1; }
echo "torchmetrics' AUROC and accuracy of logits depend on the batch size"
