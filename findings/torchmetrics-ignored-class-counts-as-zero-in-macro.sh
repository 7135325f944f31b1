#!/usr/bin/env bash
# torchmetrics 1.9.0: macro averages with ignore_index divide by all classes, the ignored one counts 0 as soon as the net
# says it once. Of two classes that are each right in 2 of 3 and a third that is ignored, macro accuracy and recall are
# 0.444 instead of 0.667, and best possible values are 2/3. Where no prediction is the ignored class they are right, so the
# figure jumps with the first such answer.
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"; "$work/venv/bin/pip" install -q 'torch==2.14.1' 'torchmetrics==1.9.0' numpy
cat >"$work/show.py" <<'PY'
import torch
from torchmetrics.classification import MulticlassAccuracy, MulticlassRecall

labels = torch.tensor([0, 0, 0, 1, 1, 1, 2, 2])
for told, predictions in (
    ("answered", torch.tensor([0, 0, 2, 1, 1, 0, 0, 1])),
    ("not answered", torch.tensor([0, 0, 1, 1, 1, 0, 0, 1])),
):
    values = []
    for kind in (MulticlassAccuracy, MulticlassRecall):
        metric = kind(3, average="macro", ignore_index=2)
        metric.update(predictions, labels)
        values.append(f"{metric.compute().item():.3f}")
    print(f"{told}: accuracy {values[0]} recall {values[1]}")
PY
shown=$("$work/venv/bin/python" "$work/show.py" 2>/dev/null)
[[ $shown == $'answered: accuracy 0.444 recall 0.444\nnot answered: accuracy 0.667 recall 0.667' ]] || { echo "it is otherwise now: $shown"; exit 1; }
echo "macro accuracy with ignore_index: 0.444 for 0.667 once the ignored class is answered"
