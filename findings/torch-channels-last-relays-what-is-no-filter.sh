#!/usr/bin/env bash
# torch 2.14.1: model.to(memory_format=torch.channels_last) could be guessed to lay out the filters of convolutions anew.
# It does so with every tensor of four dimensions, whatever it is: a table of whole numbers in a buffer, or pairs of real
# and imaginary parts, for which view_as_complex then raises, though their values are the same. One of three dimensions
# stays as it is, and one of five raises. Steps in memory before and after:
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"; "$work/venv/bin/pip" install -q 'torch==2.14.1' 'numpy==2.4.6'
cat >"$work/show.py" <<'PY'
import torch
from torch import nn


class Spectral(nn.Module):
    def __init__(self):
        super().__init__()
        self.pairs = nn.Parameter(torch.randn(8, 8, 5, 2))
        self.three = nn.Parameter(torch.randn(8, 5, 2))
        self.register_buffer("table", torch.zeros(1, 2, 7, 7, dtype=torch.int64))
        self.conv = nn.Conv2d(3, 4, 3)


net = Spectral()
before = {name: value.clone() for name, value in net.state_dict().items()}
torch.view_as_complex(net.pairs)
net.to(memory_format=torch.channels_last)
for name, value in net.state_dict().items():
    print(name, before[name].stride(), value.stride(), torch.equal(before[name], value))
try:
    torch.view_as_complex(net.pairs)
except RuntimeError as error:
    print("RuntimeError:", error)
net.five = nn.Parameter(torch.randn(2, 3, 4, 5, 6))
try:
    net.to(memory_format=torch.channels_last)
except RuntimeError as error:
    print("RuntimeError:", error)
PY
shown=$(cd "$work" && "$work/venv/bin/python" "$work/show.py" 2>/dev/null)
echo "$shown"
[[ $shown == $'pairs (80, 10, 2, 1) (80, 1, 16, 8) True\n'* && $shown == *$'\nthree (10, 2, 1) (10, 2, 1) True\n'* && $shown == *'last dimension with stride 1'* ]] || { echo "it is otherwise now"; exit 1; }
