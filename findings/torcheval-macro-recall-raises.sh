#!/usr/bin/env bash
# torcheval 0.0.7: of a class that neither the labels nor the answers hold, the macro F1 and precision are right (it is
# left out, 1.0 for a net that is right everywhere); the macro recall of the same batch drops it from the hits but not
# from the labels and raises a RuntimeError about sizes. A small validation set of many classes meets it.
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"; "$work/venv/bin/pip" install -q 'torch==2.14.1' 'numpy==2.4.6' 'torcheval==0.0.7' 'typing-extensions==4.16.0'
cat >"$work/show.py" <<'PY'
import torch
from torcheval.metrics import MulticlassF1Score, MulticlassPrecision, MulticlassRecall

truth = torch.tensor([0, 0, 1])
for kind in (MulticlassF1Score, MulticlassPrecision, MulticlassRecall):
    metric = kind(num_classes=3, average="macro")
    metric.update(truth, truth)
    try:
        print(kind.__name__, metric.compute().item())
    except RuntimeError as raised:
        print(kind.__name__, str(raised).split(" at ")[0])
PY
shown=$("$work/venv/bin/python" "$work/show.py" 2>/dev/null)
[[ $shown == $'MulticlassF1Score 1.0\nMulticlassPrecision 1.0\nMulticlassRecall The size of tensor a (2) must match the size of tensor b (3)' ]] || { echo "it is otherwise now: $shown"; exit 1; }
echo "macro recall raises where F1 and precision leave the absent class out"
