#!/usr/bin/env bash
# torch 2.14.1: FractionalMaxPool2d draws its windows in eval() too: two passes of the same pictures differ, and each
# moves the random numbers of the training that goes on. Dropout and RReLU stop drawing in eval(). _random_samples fixes
# it.
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"; "$work/venv/bin/pip" install -q 'torch==2.14.1' 'numpy==2.4.6'
cat >"$work/show.py" <<'PY'
import torch
from torch import nn

torch.manual_seed(0)
x = torch.randn(8, 4, 16, 16)
for layer in (nn.FractionalMaxPool2d(2, output_ratio=0.7), nn.MaxPool2d(2), nn.Dropout(), nn.RReLU()):
    layer.eval()
    state = torch.get_rng_state()
    again = torch.equal(layer(x), layer(x))
    print(type(layer).__name__, "the same twice", again, "draws", not torch.equal(state, torch.get_rng_state()))
PY
shown=$("$work/venv/bin/python" "$work/show.py" 2>/dev/null)
[[ $shown == $'FractionalMaxPool2d the same twice False draws True\nMaxPool2d the same twice True draws False\nDropout the same twice True draws False\nRReLU the same twice True draws False' ]] || { echo "it is otherwise now: $shown"; exit 1; }
echo "FractionalMaxPool2d draws in eval()"
