#!/usr/bin/env bash
# torch 2.14.1: a convolution in channels_last on the meta device gives contiguous strides, on the CPU channels_last ones.
# One could guess that meta says what the real device will do: shapes are right, the order in memory isn't. So
# `y.view(n, -1)` passes a dry run on meta and raises on the CPU. A FakeTensor of the CPU, as torch.compile and
# torch.export use it, is right; and so is pooling on meta.
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"; "$work/venv/bin/pip" install -q 'torch==2.14.1' 'numpy==2.4.6'
cat >"$work/show.py" <<'PY'
from contextlib import nullcontext

import torch
from torch.nn.functional import conv2d, max_pool2d
from torch._subclasses.fake_tensor import FakeTensorMode

last = {"memory_format": torch.channels_last}
for name, device, mode in (("cpu", "cpu", nullcontext), ("meta", "meta", nullcontext), ("fake", "cpu", FakeTensorMode)):
    with mode():
        x = torch.ones(2, 3, 8, 8, device=device).to(**last)
        y = conv2d(x, torch.ones(4, 3, 3, 3, device=device).to(**last))
        try:
            viewed = list(y.view(2, -1).shape)
        except (RuntimeError, ValueError):
            viewed = "raises"
        print(name, "convolution", list(y.shape), y.stride(), "view", viewed, "pooling", max_pool2d(x, 2).stride())
PY
shown=$("$work/venv/bin/python" "$work/show.py" 2>/dev/null)
[[ $shown == $'cpu convolution [2, 4, 6, 6] (144, 1, 24, 4) view raises pooling (48, 1, 12, 3)\nmeta convolution [2, 4, 6, 6] (144, 36, 6, 1) view [2, 144] pooling (48, 1, 12, 3)\nfake convolution [2, 4, 6, 6] (144, 1, 24, 4) view raises pooling (48, 1, 12, 3)' ]] || { echo "it is otherwise now: $shown"; exit 1; }
echo "a channels_last convolution is contiguous on the meta device"
