#!/usr/bin/env bash
# torch 2.14.1: nn.init.orthogonal_ takes a convolution's weights as one row for each filter, and makes the rows
# orthonormal. parametrizations.orthogonal takes the last two axes: each 3x3 kernel becomes a rotation, the filters
# aren't orthogonal, and their norm is the root of 3 times the channels: 6.9 for 16 channels, so the layer enlarges by
# 6.9 where the other keeps the scale. And what is assigned to such a weight is taken for orthonormal as it is.
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"; "$work/venv/bin/pip" install -q 'torch==2.14.1' 'numpy==2.4.6'
cat >"$work/show.py" <<'PY'
import torch
from torch import nn
from torch.nn.utils import parametrizations


def off(matrix):
    """Give how far the rows of a matrix, or of each of many, are from orthonormal."""
    return (matrix @ matrix.mT - torch.eye(matrix.shape[-2])).abs().max().item()


torch.manual_seed(0)
own = nn.init.orthogonal_(torch.empty(8, 16, 3, 3))
conv = parametrizations.orthogonal(nn.Conv2d(16, 8, 3))
for name, weight in (("nn.init.orthogonal_", own), ("parametrizations.orthogonal", conv.weight.detach())):
    filters = weight.flatten(1)
    print(name, "filters orthonormal", off(filters) < 1e-4, "kernels orthonormal", off(weight) < 1e-4, end=" ")
    print(f"norm of a filter {filters[0].norm():.1f} spread of outputs for 1: {filters.square().sum(1).mean().sqrt():.1f}")
linear = parametrizations.orthogonal(nn.Linear(8, 8))
linear.weight = torch.ones(8, 8)
print("orthonormal after an assignment of ones:", off(linear.weight.detach()) < 1e-4)
PY
shown=$("$work/venv/bin/python" "$work/show.py" 2>/dev/null)
[[ $shown == $'nn.init.orthogonal_ filters orthonormal True kernels orthonormal False norm of a filter 1.0 spread of outputs for 1: 1.0\nparametrizations.orthogonal filters orthonormal False kernels orthonormal True norm of a filter 6.9 spread of outputs for 1: 6.9\northonormal after an assignment of ones: False' ]] || { echo "it is otherwise now: $shown"; exit 1; }
echo "orthogonal on a convolution makes rotations of its kernels, with filters of norm 6.9"
