#!/usr/bin/env bash
# torchmetrics 1.9.0, torcheval 0.0.7: in the macro AUROC a class without pictures counts: 0 in torchmetrics, 0.5 in
# torcheval. A perfect net has 0.75 or 0.88 where one of four classes is missing in the validation set (a small subset,
# a fold, a rare class), with a warning about "no positive samples" in the first and none in the second. torchmetrics'
# average precision, F1, recall and Jaccard index leave the class out, so they and the AUROC move apart.
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"; "$work/venv/bin/pip" install -q 'torchmetrics==1.9.0' 'torcheval==0.0.7' 'torch==2.14.1' 'numpy==2.4.6'
cat >"$work/show.py" <<'PY'
import torch
from torcheval.metrics.functional import multiclass_auroc as other
from torchmetrics.functional import classification

truth = torch.tensor([0, 1, 2, 0])
scores = torch.eye(4)[truth] * 0.9 + 0.025
for name in ("auroc", "average_precision", "f1_score", "recall", "jaccard_index"):
    shown = getattr(classification, f"multiclass_{name}")(scores, truth, num_classes=4, average="macro")
    print("torchmetrics", name, f"{shown:.2f}")
print("torcheval auroc", f"{other(scores, truth, num_classes=4):.2f}", other(scores, truth, num_classes=4, average=None).tolist())
PY
shown=$("$work/venv/bin/python" "$work/show.py" 2>/dev/null)
[[ $shown == $'torchmetrics auroc 0.75\ntorchmetrics average_precision 1.00\ntorchmetrics f1_score 1.00\ntorchmetrics recall 1.00\ntorchmetrics jaccard_index 1.00\ntorcheval auroc 0.88 [1.0, 1.0, 1.0, 0.5]' ]] || { echo "it is otherwise now: $shown"; exit 1; }
echo "a perfect net has a macro AUROC of 0.75 where one of four classes is missing"
