#!/usr/bin/env bash
# torch 2.14.1: torch.optim.Adafactor factors the last two axes of a weight whatever they are. Of a convolution those are
# the kernel's: of 64 x 64 x 3 x 3 it keeps 64 * 64 * (3 + 3) numbers, two for every three weights, and of a 1x1
# convolution two for each weight, more than Adam's second moment. As a matrix of 64 x 576 the same weight takes 640.
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"; "$work/venv/bin/pip" install -q 'torch==2.14.1' numpy
cat >"$work/show.py" <<'PY'
import torch

def kept(*shape):
    weight = torch.zeros(*shape, requires_grad=True)
    weight.grad = torch.ones(*shape)
    optimizer = torch.optim.Adafactor([weight])
    optimizer.step()
    return sum(value.numel() for value in optimizer.state[weight].values() if value.dim())

print(kept(64, 64, 3, 3), kept(64, 64, 1, 1), kept(64, 576))
PY
shown=$("$work/venv/bin/python" "$work/show.py" 2>/dev/null)
[[ $shown == "24576 8192 640" ]] || { echo "it is otherwise now: $shown"; exit 1; }
echo "3x3: 24,576 numbers for 36,864 weights; 1x1: 8,192 for 4,096; as a matrix: 640"
