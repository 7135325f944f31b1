#!/usr/bin/env bash
# torch 2.14.1, timm 1.0.31, pytorch-optimizer 4.1.0, torch-optimizer 0.3.0: a scheduler, or a group frozen by rate 0,
# does nothing to some optimizers. Rprop takes the rate for its first step alone, both packages' Adafactor and A2GradExp
# never look at it as they are made here, and in MADGRAD, RMSpropTF, AccSGD, LaProp (pytorch-optimizer's; timm's stops)
# old gradients that are stored already multiplied by it go on for a while. How far weights move in 100 steps of rate
# 0.01, and in the same 100 steps with the rate set to 0 before them:
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"; "$work/venv/bin/pip" install -q 'torch==2.14.1' 'torchvision==0.29.1' 'timm==1.0.31' 'pytorch-optimizer==4.1.0' 'torch-optimizer==0.3.0' 'numpy==2.4.6'
cat >"$work/show.py" <<'PY'
import pytorch_optimizer
import timm.optim
import torch
import torch_optimizer
from torch import nn

rules = {
    "torch Adam": torch.optim.Adam,
    "torch Rprop": torch.optim.Rprop,
    "pytorch-optimizer AdaFactor": pytorch_optimizer.AdaFactor,
    "torch-optimizer Adafactor": torch_optimizer.Adafactor,
    "torch-optimizer A2GradExp": torch_optimizer.A2GradExp,
    "timm MADGRAD": timm.optim.MADGRAD,
    "timm RMSpropTF": timm.optim.RMSpropTF,
    "timm LaProp": timm.optim.LaProp,
    "pytorch-optimizer LaProp": pytorch_optimizer.LaProp,
    "pytorch-optimizer AccSGD": pytorch_optimizer.AccSGD,
}


def moved(make, rate):
    draws = torch.Generator().manual_seed(0)
    weight = nn.Parameter(torch.randn(20, 10, generator=draws))
    options = {"momentum": 0.9} if make in (timm.optim.MADGRAD, timm.optim.RMSpropTF) else {}
    optimizer = make([weight], lr=0.01, **options)
    for step in range(150):
        if step == 50:
            optimizer.param_groups[0]["lr"] = rate
            before = weight.detach().clone()
        weight.grad = 0.5 + torch.randn(20, 10, generator=draws)
        optimizer.step()
    return (weight.detach() - before).norm().item()


for name, make in rules.items():
    print(name, f"{moved(make, 0.01):.1f} {moved(make, 0.0):.1f}")
PY
shown=$("$work/venv/bin/python" "$work/show.py" 2>/dev/null)
[[ $shown == $'torch Adam 6.3 0.0\ntorch Rprop 20.2 20.2\npytorch-optimizer AdaFactor 6.4 6.4\ntorch-optimizer Adafactor 6.7 6.7\ntorch-optimizer A2GradExp 0.4 0.4\ntimm MADGRAD 23.2 2.4\ntimm RMSpropTF 60.3 5.9\ntimm LaProp 6.3 0.0\npytorch-optimizer LaProp 6.3 0.6\npytorch-optimizer AccSGD 23.8 6.6' ]] || { echo "it is otherwise now: $shown"; exit 1; }
echo "some optimizers go on at rate 0: Rprop and Adafactor by their whole way"
