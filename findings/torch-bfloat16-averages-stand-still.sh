#!/usr/bin/env bash
# torch 2.14.1: averages of a net whose weights are bfloat16 stand still. AveragedModel with decay 0.999 stays at the
# first weights for good, however far the net goes: a step of 0.001 of the way is less than half a digit. Adam's second
# moment (0.999 as well) never falls: after one gradient of 10 it stays where it is, and the steps stay cut by it when
# gradients are 0.1 again. Nothing warns. timm 1.0.31's ModelEmaV3 rounds at random and goes along. Shares of the way
# after 3,000 updates, second moment after 5,000:
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"; "$work/venv/bin/pip" install -q 'torch==2.14.1' 'timm==1.0.31' 'torchvision==0.29.1' 'numpy==2.4.6'
cat >"$work/show.py" <<'PY'
import torch
from timm.utils import ModelEmaV3
from torch import nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

for kind in (torch.float32, torch.bfloat16):
    for name in ("AveragedModel", "ModelEmaV3"):
        net = nn.Linear(64, 64).to(kind)
        nn.init.constant_(net.weight, 1.0)
        ema = AveragedModel(net, multi_avg_fn=get_ema_multi_avg_fn(0.999)) if name == "AveragedModel" else ModelEmaV3(net, decay=0.999)
        update = ema.update_parameters if name == "AveragedModel" else ema.update
        update(net)
        nn.init.constant_(net.weight, 2.0)
        for _ in range(3000):
            update(net)
        print(kind, name, f"{ema.module.weight.float().mean() - 1:.2f}")
    weight = nn.Parameter(torch.zeros(8, dtype=kind))
    optimizer = torch.optim.Adam([weight], lr=0.0)
    for step in range(5000):
        weight.grad = torch.full_like(weight, 0.1 if step else 10.0)
        optimizer.step()
    print(kind, f"Adam's second moment {optimizer.state[weight]['exp_avg_sq'].float().mean():.3f}")
PY
shown=$("$work/venv/bin/python" "$work/show.py" 2>/dev/null)
[[ $shown == $'torch.float32 AveragedModel 0.95\ntorch.float32 ModelEmaV3 0.95\ntorch.float32 Adam\'s second moment 0.011\ntorch.bfloat16 AveragedModel 0.00\ntorch.bfloat16 ModelEmaV3 0.95\ntorch.bfloat16 Adam\'s second moment 0.100' ]] || { echo "it is otherwise now: $shown"; exit 1; }
echo "the EMA of a bfloat16 net stays at its first weights"
