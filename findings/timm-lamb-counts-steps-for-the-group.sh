#!/usr/bin/env bash
# timm 1.0.31: LAMB and Adan count their steps for the whole group, not for each weight. A weight that has no gradient
# at first (a frozen layer that is thawed, a head that is used later) begins with empty moments and the correction of
# step 1,001: without weight decay, as biases and norms are, LAMB's steps are 2.5 to 4.6 times the rate, Adan's a fifth
# of it. torch's and most of timm's optimizers count for each weight and begin with the same step as a fresh one. The
# first and fifth step of such a weight, in rates, after 1,000 steps of another and in a fresh optimizer:
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"; "$work/venv/bin/pip" install -q 'timm==1.0.31' 'torch==2.14.1' 'torchvision==0.29.1' 'numpy==2.4.6'
cat >"$work/show.py" <<'PY'
import timm.optim
import torch
from torch import nn


def steps(make, before):
    early, late = nn.Parameter(torch.zeros(8)), nn.Parameter(torch.zeros(8))
    optimizer = make([early, late], lr=0.001, weight_decay=0.0)
    taken = []
    for step in range(before + 5):
        early.grad = torch.full_like(early, 0.1)
        late.grad = torch.full_like(late, 0.1) if step >= before else None
        was = late.detach().clone()
        optimizer.step()
        taken.append(f"{(late.detach() - was).abs().mean() / 0.001:.1f}")
    return taken[before], taken[-1]


for make in (torch.optim.Adam, timm.optim.AdamP, timm.optim.Lamb, timm.optim.Adan):
    print(make.__name__, "late", *steps(make, 1000), "fresh", *steps(make, 0))
PY
shown=$("$work/venv/bin/python" "$work/show.py" 2>/dev/null)
[[ $shown == $'Adam late 1.0 1.0 fresh 1.0 1.0\nAdamP late 1.0 1.0 fresh 1.0 1.0\nLamb late 2.5 4.6 fresh 1.0 1.0\nAdan late 0.2 0.4 fresh 1.0 1.0' ]] || { echo "it is otherwise now: $shown"; exit 1; }
echo "timm's LAMB begins a late weight with 2.5 times the rate"
