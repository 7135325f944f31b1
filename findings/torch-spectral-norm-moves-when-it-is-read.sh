#!/usr/bin/env bash
# torch 2.14.1: to read the weight of a layer under parametrizations.spectral_norm in train() is a step of its power
# iteration: it moves the layer's buffers, under no_grad too. So a histogram of layer.weight or its norm in the log
# changes the training that it logs, and the net answers otherwise after it. state_dict, named_parameters, print and
# deepcopy leave it, as does the older utils.spectral_norm. Did a buffer move, and does the net answer otherwise for one
# input, after ten looks?
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"; "$work/venv/bin/pip" install -q 'torch==2.14.1' 'numpy==2.4.6'
cat >"$work/show.py" <<'PY'
import copy
import warnings

import torch
from torch import nn
from torch.nn.utils import parametrizations, spectral_norm

warnings.simplefilter("ignore")
x = torch.ones(1, 64)


def read(net):
    with torch.no_grad():
        return net.weight.norm().item()


for name, make, look in (
    ("state_dict", parametrizations.spectral_norm, lambda net: net.state_dict()),
    ("named_parameters", parametrizations.spectral_norm, lambda net: dict(net.named_parameters())),
    ("print", parametrizations.spectral_norm, repr),
    ("deepcopy", parametrizations.spectral_norm, copy.deepcopy),
    ("weight in train()", parametrizations.spectral_norm, read),
    ("weight in eval()", parametrizations.spectral_norm, lambda net: read(net.eval())),
    ("weight, older", spectral_norm, read),
):
    torch.manual_seed(0)
    net = make(nn.Linear(64, 64)).train()
    with torch.no_grad():
        before = copy.deepcopy(net).eval()(x)
        was = {key: value.clone() for key, value in net.named_buffers()}
        for _ in range(10):
            look(net)
        moved = any(not torch.equal(value, was[key]) for key, value in net.named_buffers())
        print(f"{name}: moved {moved}, answers otherwise {not torch.allclose(net.eval()(x), before, atol=1e-3)}")
PY
shown=$("$work/venv/bin/python" "$work/show.py" 2>/dev/null)
[[ $shown == $'state_dict: moved False, answers otherwise False\nnamed_parameters: moved False, answers otherwise False\nprint: moved False, answers otherwise False\ndeepcopy: moved False, answers otherwise False\nweight in train(): moved True, answers otherwise True\nweight in eval(): moved False, answers otherwise False\nweight, older: moved False, answers otherwise False' ]] || { echo "it is otherwise now: $shown"; exit 1; }
echo "reading a spectrally normalised weight in train() changes the net"
