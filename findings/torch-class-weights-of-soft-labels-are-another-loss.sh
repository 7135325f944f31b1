#!/usr/bin/env bash
# torch 2.14.1: cross_entropy with class weights divides by the sum of the weights for labels that are indices, and by
# the number of pictures for the same labels as one-hot rows. So turning on mixup or writing labels as probabilities
# changes the loss and the size of each step: it depends on which classes are in the batch, and a batch of common
# classes hardly counts. Without weights both are equal. An untrained net (ln 3 = 1.10), weights 0.1, 1 and 10:
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"; "$work/venv/bin/pip" install -q 'torch==2.14.1' 'numpy==2.4.6'
cat >"$work/show.py" <<'PY'
import torch
import torch.nn.functional as F

scores = torch.zeros(4, 3)
weight = torch.tensor([0.1, 1.0, 10.0])
for labels in ([0, 0, 0, 0], [0, 1, 2, 2], [2, 2, 2, 2]):
    labels = torch.tensor(labels)
    rows = F.one_hot(labels, 3).float()
    plain, same = F.cross_entropy(scores, labels), F.cross_entropy(scores, rows)
    weighted, other = F.cross_entropy(scores, labels, weight=weight), F.cross_entropy(scores, rows, weight=weight)
    print(labels.tolist(), f"without weights {plain:.2f} {same:.2f}, with weights {weighted:.2f} {other:.2f}")
PY
shown=$("$work/venv/bin/python" "$work/show.py" 2>/dev/null)
[[ $shown == $'[0, 0, 0, 0] without weights 1.10 1.10, with weights 1.10 0.11\n[0, 1, 2, 2] without weights 1.10 1.10, with weights 1.10 5.80\n[2, 2, 2, 2] without weights 1.10 1.10, with weights 1.10 10.99' ]] || { echo "it is otherwise now: $shown"; exit 1; }
echo "the same labels as rows have another weighted loss: 10.99 or 0.11 for 1.10"
