#!/usr/bin/env bash
# torchmetrics 1.9.0: BootStrapper(sampling_strategy="multinomial") draws within each batch, not among all pictures. Of
# batches of one picture each bootstrap is the same: a standard error of 0 for an accuracy of 400 pictures, and where
# batches are alike (sorted by class or by difficulty, as validation sets are) it is too small as well. The default
# "poisson" is right. Standard errors of an accuracy of 0.5 of 400 pictures (0.025), in batches of 400, 4 and 1:
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"; "$work/venv/bin/pip" install -q 'torchmetrics==1.9.0' 'torch==2.14.1' 'numpy==2.4.6'
cat >"$work/show.py" <<'PY'
import torch
from torchmetrics.classification import BinaryAccuracy
from torchmetrics.wrappers import BootStrapper

truth = torch.ones(400, dtype=torch.int64)
answers = (torch.arange(400) < 200).long()
for strategy in ("poisson", "multinomial"):
    told = []
    for size in (400, 4, 1):
        torch.manual_seed(0)
        metric = BootStrapper(BinaryAccuracy(), num_bootstraps=60, sampling_strategy=strategy)
        for some, labels in zip(answers.split(size), truth.split(size)):
            metric.update(some, labels)
        told.append(f"{metric.compute()['std']:.2f}")
    print(strategy, *told)
PY
shown=$("$work/venv/bin/python" "$work/show.py" 2>/dev/null)
[[ $shown == $'poisson 0.02 0.02 0.02\nmultinomial 0.02 0.00 0.00' ]] || { echo "it is otherwise now: $shown"; exit 1; }
echo "the bootstrapped error of single pictures is 0"
