#!/usr/bin/env bash
# torch 2.14.1: a parameter group that is added after the scheduler was made (layers thawed in mid-training) is told apart
# by scheduler, and in two it comes out larger than either rate: LinearLR warming up from 0.1 divides by factors that the
# group never had, and a group added with lr=1 after one of four warm-up steps stays at 3.08; after a ConstantLR(0.1) at
# 10. No warning. StepLR, ExponentialLR, CosineAnnealingLR and others go on from lr=1; LambdaLR, MultiplicativeLR,
# warm restarts, CyclicLR and SequentialLR raise ValueError, OneCycleLR KeyError.
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"; "$work/venv/bin/pip" install -q 'torch==2.14.1' numpy
cat >"$work/show.py" <<'PY'
import warnings
import torch
from torch.optim import lr_scheduler

warnings.simplefilter("ignore")
SCHEDULERS = {
    "LinearLR": {"start_factor": 0.1, "total_iters": 4},
    "ConstantLR": {"factor": 0.1, "total_iters": 2},
    "ExponentialLR": {"gamma": 0.5},
    "LambdaLR": {"lr_lambda": lambda step: 0.5**step},
    "OneCycleLR": {"max_lr": 1.0, "total_steps": 10},
}
for name, arguments in SCHEDULERS.items():
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=1.0)
    scheduler = getattr(lr_scheduler, name)(optimizer, **arguments)
    try:
        optimizer.step()
        scheduler.step()
        optimizer.add_param_group({"params": [torch.nn.Parameter(torch.zeros(1))], "lr": 1.0})
        for _ in range(4):
            optimizer.step()
            scheduler.step()
        print(name, *(round(group["lr"], 3) for group in optimizer.param_groups))
    except (ValueError, KeyError) as error:
        print(name, type(error).__name__)
PY
shown=$("$work/venv/bin/python" "$work/show.py" 2>/dev/null)
[[ $shown == $'LinearLR 1.0 3.077\nConstantLR 1.0 10.0\nExponentialLR 0.031 0.062\nLambdaLR ValueError\nOneCycleLR KeyError' ]] || { echo "it is otherwise now: $shown"; exit 1; }
echo "a group added during warm-up ends at 3 times its rate (LinearLR), at 10 times (ConstantLR)"
