#!/usr/bin/env bash
# torchmetrics 1.9.0: Matthews' correlation of a net that always answers the same class is 0 by definition, and in
# scikit-learn 1.9.1 (in brackets). torchmetrics gives 0.98 for always 0 where 99 % are of class 0, and -0.98 for always
# 1: it makes up for the 0 below the fraction with the counts of one class. So the score that is meant for unbalanced
# classes is best for the net that has learned nothing.
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"; "$work/venv/bin/pip" install -q 'torchmetrics==1.9.0' 'torch==2.14.1' 'scikit-learn==1.9.1' 'numpy==2.4.6'
cat >"$work/show.py" <<'PY'
import torch
from sklearn.metrics import matthews_corrcoef
from torchmetrics.functional import matthews_corrcoef as theirs

for zeros, ones in ((1, 1), (2, 1), (1, 2), (9, 1), (99, 1), (999, 1)):
    truth = torch.tensor([0] * zeros + [1] * ones)
    said = []
    for answer in (0, 1):
        answers = torch.full_like(truth, answer)
        said.append(f"{theirs(answers, truth, task='binary').item():.2f} ({matthews_corrcoef(truth, answers):.0f})")
    print(f"{zeros} of class 0, {ones} of 1: always 0", said[0], "always 1", said[1])
same = torch.zeros(3, dtype=torch.int64)
print("always 0 of 0 alone", theirs(same, same, task="multiclass", num_classes=3).item(), matthews_corrcoef(same, same))
PY
shown=$("$work/venv/bin/python" "$work/show.py" 2>/dev/null)
[[ $shown == $'1 of class 0, 1 of 1: always 0 0.00 (0) always 1 0.00 (0)\n2 of class 0, 1 of 1: always 0 0.41 (0) always 1 -0.41 (0)\n1 of class 0, 2 of 1: always 0 -0.41 (0) always 1 0.41 (0)\n9 of class 0, 1 of 1: always 0 0.84 (0) always 1 -0.84 (0)\n99 of class 0, 1 of 1: always 0 0.98 (0) always 1 -0.98 (0)\n999 of class 0, 1 of 1: always 0 1.00 (0) always 1 -1.00 (0)\nalways 0 of 0 alone 0.0 0.0' ]] || { echo "it is otherwise now: $shown"; exit 1; }
echo "always answering the class of 99 % has an MCC of 0.98"
