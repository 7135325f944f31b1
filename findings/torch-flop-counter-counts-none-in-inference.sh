#!/usr/bin/env bash
# torch 2.14.1, torchvision 0.29.1: FlopCounterMode around a net in eval() and no_grad(), where one would count the cost
# of inference, gives 0 for nn.TransformerEncoder and leaves the attention out of torchvision's ViT (a third): their
# fast paths are single operations that it doesn't know. With gradients the same nets are counted, in eval() too.
# Millions of operations:
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"; "$work/venv/bin/pip" install -q 'torch==2.14.1' 'torchvision==0.29.1' 'numpy==2.4.6'
cat >"$work/show.py" <<'PY'
import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode
from torchvision.models import resnet18, vit_b_16

layer = nn.TransformerEncoderLayer(64, 4, 256, batch_first=True)
picture = torch.randn(1, 3, 32, 32)
for name, net, x in (
    ("resnet18", resnet18(), picture),
    ("vit_b_16", vit_b_16(image_size=32), picture),
    ("TransformerEncoder", nn.TransformerEncoder(layer, 2), torch.randn(2, 50, 64)),
):
    told = []
    for gradients in (True, False):
        with FlopCounterMode(display=False) as counter, torch.set_grad_enabled(gradients):
            net.eval()(x)
        told.append(f"{counter.get_total_flops() / 1e6:.0f}")
    print(name, "with gradients", told[0], "without", told[1])
PY
shown=$("$work/venv/bin/python" "$work/show.py" 2>/dev/null)
[[ $shown == $'resnet18 with gradients 75 without 75\nvit_b_16 with gradients 856 without 572\nTransformerEncoder with gradients 20 without 0' ]] || { echo "it is otherwise now: $shown"; exit 1; }
echo "a transformer costs nothing in eval() without gradients"
