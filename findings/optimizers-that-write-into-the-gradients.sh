#!/usr/bin/env bash
# schedulefree 1.4.1, pytorch-optimizer 4.1.0: some optimizers work in p.grad itself, so what lies there after step() is
# no gradient: schedulefree's AdamWScheduleFree leaves it divided by its running size, pytorch-optimizer's NovoGrad and
# StableSPAM scaled to a norm of about 1. A gradient norm that is read behind step(), for a log or for a look at layers
# that no longer learn, is the same whatever the gradients are. torch's and timm's leave them. Norms after the third
# step for 1,000 gradients of about 0.001 (0.03) and of 0.00001 (0.0003):
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"; "$work/venv/bin/pip" install -q 'schedulefree==1.4.1' 'pytorch-optimizer==4.1.0' 'timm==1.0.31' 'torch==2.14.1' 'torchvision==0.29.1' 'numpy==2.4.6'
cat >"$work/show.py" <<'PY'
import pytorch_optimizer
import schedulefree
import timm.optim
import torch
from torch import nn

rules = {
    "torch AdamW": torch.optim.AdamW,
    "timm Lamb": timm.optim.Lamb,
    "schedulefree AdamWScheduleFree": schedulefree.AdamWScheduleFree,
    "pytorch-optimizer NovoGrad": pytorch_optimizer.NovoGrad,
    "pytorch-optimizer StableSPAM": pytorch_optimizer.StableSPAM,
}
for name, make in rules.items():
    norms = []
    for size in (1e-3, 1e-5):
        draws = torch.Generator().manual_seed(0)
        weight = nn.Parameter(torch.randn(10, 100, generator=draws))
        optimizer = make([weight], lr=0.01)
        if hasattr(optimizer, "train"):
            optimizer.train()
        for _ in range(3):
            weight.grad = size * torch.randn(10, 100, generator=draws)
            optimizer.step()
        norms.append(f"{weight.grad.norm():.0e}")
    print(name, *norms)
PY
shown=$("$work/venv/bin/python" "$work/show.py" 2>/dev/null)
[[ $shown == $'torch AdamW 3e-02 3e-04\ntimm Lamb 3e-02 3e-04\nschedulefree AdamWScheduleFree 3e+01 3e+01\npytorch-optimizer NovoGrad 1e+00 1e+00\npytorch-optimizer StableSPAM 1e+00 1e+00' ]] || { echo "it is otherwise now: $shown"; exit 1; }
echo "some optimizers leave other values in p.grad: their norm is 30 or 1 whatever the gradients are"
