#!/usr/bin/env bash
# torch 2.14.1: ASGD, "averaged stochastic gradient descent", never puts the average into the net: it lies in
# optimizer.state[weight]["ax"], and evaluating or saving the net gives the last weights, as noisy as SGD's. Before step
# t0 (1,000,000 unless told otherwise) it is a copy of the weight. Mean distance from the optimum over 200 weights after
# 2,000 noisy steps:
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"; "$work/venv/bin/pip" install -q 'torch==2.14.1' 'numpy==2.4.6'
cat >"$work/show.py" <<'PY'
import torch
from torch import nn

for options in ({}, {"t0": 100}):
    torch.manual_seed(0)
    weight = nn.Parameter(torch.ones(200))
    optimizer = torch.optim.ASGD([weight], lr=0.1, **options)
    for _ in range(2000):
        weight.grad = weight.detach() + torch.randn(200)
        optimizer.step()
    average = optimizer.state[weight]["ax"]
    print(options, f"net {weight.abs().mean():.2f} average {average.abs().mean():.2f}", "equal" if torch.equal(weight, average) else "other")
PY
shown=$("$work/venv/bin/python" "$work/show.py" 2>/dev/null)
[[ $shown == $'{} net 0.16 average 0.16 equal\n{\'t0\': 100} net 0.16 average 0.02 other' ]] || { echo "it is otherwise now: $shown"; exit 1; }
echo "ASGD's net never holds the average"
