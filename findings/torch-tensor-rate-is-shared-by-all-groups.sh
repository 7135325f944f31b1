#!/usr/bin/env bash
# torch 2.14.1: a learning rate that is a tensor (as torch.compile of the optimizer wants it, so that a schedule doesn't
# compile anew) is one tensor for all parameter groups: schedulers write into it in place, so a LambdaLR or OneCycleLR
# with a rate for each group gives all of them the last one's, and a rate lowered by hand in one group is lowered in
# all. With a float each group has its own. Rates of two groups after a step:
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"; "$work/venv/bin/pip" install -q 'torch==2.14.1' 'numpy==2.4.6'
cat >"$work/show.py" <<'PY'
import torch
from torch import nn
from torch.optim.lr_scheduler import LambdaLR, OneCycleLR

for make in (float, torch.tensor):
    def optimizer():
        groups = [{"params": [nn.Parameter(torch.zeros(1))]} for _ in range(2)]
        return torch.optim.Adam(groups, lr=make(1.0))

    def rates(one):
        return [f"{float(group['lr']):.2f}" for group in one.param_groups]

    one = optimizer()
    scheduler = LambdaLR(one, [lambda step: 0.1, lambda step: 0.9])
    one.step()
    scheduler.step()
    print(make.__name__, "LambdaLR of 0.1 and 0.9:", *rates(one))
    one = optimizer()
    OneCycleLR(one, max_lr=[25.0, 50.0], total_steps=10)
    print(make.__name__, "OneCycleLR to 25 and 50:", *rates(one))
    one = optimizer()
    one.param_groups[0]["lr"] *= 0.5
    print(make.__name__, "one group halved:", *rates(one))
PY
shown=$("$work/venv/bin/python" "$work/show.py" 2>/dev/null)
[[ $shown == $'float LambdaLR of 0.1 and 0.9: 0.10 0.90\nfloat OneCycleLR to 25 and 50: 1.00 2.00\nfloat one group halved: 0.50 1.00\ntensor LambdaLR of 0.1 and 0.9: 0.90 0.90\ntensor OneCycleLR to 25 and 50: 2.00 2.00\ntensor one group halved: 0.50 0.50' ]] || { echo "it is otherwise now: $shown"; exit 1; }
echo "a tensor as rate: two groups have one rate"
