#!/usr/bin/env bash
# torch 2.14.1: a scheduler's load_state_dict brings its horizon along. A run of 100 epochs that is to go on to 200,
# with CosineAnnealingLR(optimizer, 200) made anew and the old state loaded, has T_max 100 again: the rate is 0 at epoch
# 100, climbs from there and ends at its full height at 200. No warning. PolynomialLR stays at 0; LambdaLR takes the new
# function, and jumps. Rates at epochs 80, 100, 150 and 200 of a run that goes on at 80:
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"; "$work/venv/bin/pip" install -q 'torch==2.14.1' 'numpy==2.4.6'
cat >"$work/show.py" <<'PY'
import torch
from torch import nn
from torch.optim import lr_scheduler

rules = {
    "CosineAnnealingLR": lambda optimizer, epochs: lr_scheduler.CosineAnnealingLR(optimizer, epochs),
    "PolynomialLR": lambda optimizer, epochs: lr_scheduler.PolynomialLR(optimizer, epochs),
    "LambdaLR": lambda optimizer, epochs: lr_scheduler.LambdaLR(optimizer, lambda epoch: 1 - epoch / epochs),
}


def made(rule, epochs):
    optimizer = torch.optim.SGD([nn.Parameter(torch.zeros(1))], lr=1.0)
    return optimizer, rule(optimizer, epochs)


def run(optimizer, scheduler, epochs):
    for _ in epochs:
        optimizer.step()
        scheduler.step()
    return f"{optimizer.param_groups[0]['lr']:.2f}"


for name, rule in rules.items():
    old, new = made(rule, 100), made(rule, 200)
    first = run(*old, range(80))
    for kept, fresh in zip(old, new, strict=True):
        fresh.load_state_dict(kept.state_dict())
    print(name, first, *(run(*new, part) for part in (range(20), range(50), range(50))))
PY
shown=$("$work/venv/bin/python" "$work/show.py" 2>/dev/null)
[[ $shown == $'CosineAnnealingLR 0.10 0.00 0.50 1.00\nPolynomialLR 0.20 0.00 0.00 0.00\nLambdaLR 0.20 0.50 0.25 0.00' ]] || { echo "it is otherwise now: $shown"; exit 1; }
echo "a CosineAnnealingLR of 200 epochs that loads the state of one of 100 climbs to its full rate"
