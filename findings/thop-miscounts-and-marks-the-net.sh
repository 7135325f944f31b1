#!/usr/bin/env bash
# thop 0.1.1.post2209072238, torch 2.14.1: profile() counts parameters by the modules that it knows: ViT-B/16 has 58.1
# million there instead of 86.6 (attention's in-projections, class token and position embedding are missing, silently).
# And it leaves buffers total_ops and total_params in modules without a rule (here Flatten): they stand in the state
# dict, so a checkpoint saved after it does not load strictly into a fresh net.
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"; "$work/venv/bin/pip" install -q 'thop==0.1.1.post2209072238' 'torch==2.14.1' 'torchvision==0.29.1' 'numpy==2.4.6'
cat >"$work/show.py" <<'PY'
import thop
import torch
from torch import nn
from torchvision.models import vit_b_16

net = vit_b_16()
counted = thop.profile(net, (torch.zeros(1, 3, 224, 224),), verbose=False)[1]
print(f"{counted / 1e6:.1f} of {sum(p.numel() for p in net.parameters()) / 1e6:.1f} million")


def small():
    return nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(4 * 36, 2))


net = small()
thop.profile(net, (torch.zeros(1, 3, 8, 8),), verbose=False)
print(sorted(set(net.state_dict()) - set(small().state_dict())))
try:
    small().load_state_dict(net.state_dict())
except RuntimeError as error:
    print("Unexpected key" in str(error))
PY
shown=$("$work/venv/bin/python" "$work/show.py" 2>/dev/null)
[[ $shown == $'58.1 of 86.6 million\n[\'2.total_ops\', \'2.total_params\']\nTrue' ]] || { echo "it is otherwise now: $shown"; exit 1; }
echo "thop leaves out a third of a ViT's parameters and writes keys into the state dict"
