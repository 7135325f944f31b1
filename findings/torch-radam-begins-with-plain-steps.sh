#!/usr/bin/env bash
# torch 2.14.1, timm 1.0.31, pytorch-optimizer 4.1.0: RAdam's first five steps are plain momentum steps at the full
# rate, not warm-up: with a rate of 0.001 and gradients of 1000 (unscaled pixels, a summed loss) each moves the weights
# by 1 where Adam moves 0.001, with gradients of 0.001 by a millionth. So a loss that is summed instead of averaged
# breaks a net with RAdam that Adam would train. timm's begins likewise; pytorch-optimizer's of the same name stands
# still for five steps.
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"; "$work/venv/bin/pip" install -q 'torch==2.14.1' 'timm==1.0.31' 'pytorch-optimizer==4.1.0' 'numpy==2.4.6'
cat >"$work/show.py" <<'PY'
import torch
from pytorch_optimizer import RAdam
from timm.optim import create_optimizer_v2
from torch import nn

for name, make in (
    ("torch Adam", torch.optim.Adam),
    ("torch RAdam", torch.optim.RAdam),
    ("timm radam", lambda weights, lr: create_optimizer_v2(weights, "radam", lr=lr)),
    ("pytorch-optimizer RAdam", RAdam),
):
    for size in (1000.0, 0.001):
        weight = nn.Parameter(torch.zeros(1))
        optimizer = make([weight], lr=0.001)
        moved = []
        for _ in range(6):
            before = weight.item()
            weight.grad = torch.full((1,), size)
            optimizer.step()
            moved.append(abs(weight.item() - before))
        print(name, f"{size:g}:", *(f"{moved[step]:.0e}" for step in (0, 4, 5)))
PY
shown=$("$work/venv/bin/python" "$work/show.py" 2>/dev/null)
[[ $shown == $'torch Adam 1000: 1e-03 1e-03 1e-03\ntorch Adam 0.001: 1e-03 1e-03 1e-03\ntorch RAdam 1000: 1e+00 1e+00 3e-05\ntorch RAdam 0.001: 1e-06 1e-06 3e-05\ntimm radam 1000: 1e+00 1e+00 3e-05\ntimm radam 0.001: 1e-06 1e-06 3e-05\npytorch-optimizer RAdam 1000: 0e+00 0e+00 3e-05\npytorch-optimizer RAdam 0.001: 0e+00 0e+00 3e-05' ]] || { echo "it is otherwise now: $shown"; exit 1; }
echo "RAdam's first five steps grow with the gradient: 1 instead of 0.001"
