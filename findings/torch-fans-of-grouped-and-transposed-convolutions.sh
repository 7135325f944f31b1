#!/usr/bin/env bash
# torch 2.14.1, torchvision 0.29.1: nn.init takes a weight's first axis for the outputs and its second for the inputs,
# whatever the layer. So kaiming_normal_(mode='fan_out') of a depthwise convolution over 256 channels is 16 times too
# small (0.029 for sqrt(2 / 9) = 0.471): torchvision's MobileNetV2 begins so, 0.085 in its first block to 0.015 in its
# last. And the default init of a transposed convolution keeps no variance: N(0, 1) through 512 -> 1, 4x4, stride 2 has a
# deviation of about 6, through 64 -> 512 about 0.1, where a convolution 4x4 has 0.5 to 0.6.
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"; "$work/venv/bin/pip" install -q 'torch==2.14.1' 'torchvision==0.29.1' numpy
cat >"$work/show.py" <<'PY'
import torch
import torchvision
from torch import nn

torch.manual_seed(0)
depthwise = nn.Conv2d(256, 256, 3, groups=256)
nn.init.kaiming_normal_(depthwise.weight, mode="fan_out", nonlinearity="relu")
print(f"depthwise {depthwise.weight.std().item():.2f} of {(2 / 9) ** 0.5:.2f}")
net = torchvision.models.mobilenet_v2(weights=None)
stds = [m.weight.std().item() for m in net.modules() if isinstance(m, nn.Conv2d) and m.groups == m.in_channels]
print(f"MobileNetV2 {stds[0]:.2f} {stds[-1]:.2f}")


def deviation(inputs, outputs):
    layer = nn.ConvTranspose2d(inputs, outputs, 4, stride=2, padding=1)
    with torch.no_grad():
        return layer(torch.randn(8, inputs, 16, 16)).std().item()


print(f"transposed {deviation(512, 1):.0f} {deviation(64, 512):.1f}")
PY
shown=$("$work/venv/bin/python" "$work/show.py" 2>/dev/null)
[[ $shown == $'depthwise 0.03 of 0.47\nMobileNetV2 0.08 0.02\ntransposed 6 0.1' ]] || { echo "it is otherwise now: $shown"; exit 1; }
echo "fan_out ignores groups, and a transposed convolution's fan_in is its outputs"
