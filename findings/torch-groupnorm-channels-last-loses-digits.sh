#!/usr/bin/env bash
# torch 2.14.1, CPU: GroupNorm of a channels_last tensor takes its variance as the mean of the squares less the square
# of the mean, in float32. Of values with a spread of 1 around 30 each output is off by a thousandth or more, around 300
# by about 1 (which is the whole output), around 3000 by more than 1000: the variance comes out as 0. The same values in
# contiguous memory are right to a thousandth, and so are BatchNorm, InstanceNorm and LayerNorm in either order, and the
# same GroupNorm under torch.compile.
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"; "$work/venv/bin/pip" install -q 'torch==2.14.1' 'numpy==2.4.6'
cat >"$work/show.py" <<'PY'
import torch
from torch import nn

for mean in (0, 30, 300, 3000):
    x = torch.randn(2, 32, 64, 64, generator=torch.Generator().manual_seed(0)) + mean
    right = nn.GroupNorm(32, 32).double()(x.double())
    said = []
    for kind in (torch.contiguous_format, torch.channels_last):
        off = (nn.GroupNorm(32, 32)(x.to(memory_format=kind)) - right).abs().max().item()
        said.append(next(f"below {bound:g}" for bound in (1e-4, 1e-3, 1e-2, 0.1, 10, 1e9) if off < bound))
    print(mean, "contiguous", said[0], "channels_last", said[1])
PY
shown=$("$work/venv/bin/python" "$work/show.py" 2>/dev/null)
[[ $shown == $'0 contiguous below 0.0001 channels_last below 0.0001\n30 contiguous below 0.0001 channels_last below 0.01\n300 contiguous below 0.0001 channels_last below 10\n3000 contiguous below 0.001 channels_last below 1e+09' ]] || { echo "it is otherwise now: $shown"; exit 1; }
echo "GroupNorm in channels_last is off by its whole output for values around 300, by 1000 around 3000"
