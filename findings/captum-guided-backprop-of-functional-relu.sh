#!/usr/bin/env bash
# captum 0.9.0: GuidedBackprop, Deconvolution and DeepLift work on nn.ReLU modules. In a net that calls F.relu the first
# two are the plain gradient and DeepLift's contributions no longer add up to the change of the output, without an
# error. Same weights, relu as modules or called:
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"; "$work/venv/bin/pip" install -q 'captum==0.9.0' 'torch==2.14.1' 'numpy==2.4.6'
cat >"$work/show.py" <<'PY'
import warnings

import torch
import torch.nn.functional as F
from captum.attr import Deconvolution, DeepLift, GuidedBackprop, Saliency
from torch import nn

warnings.simplefilter("ignore")


class Net(nn.Module):
    def __init__(self, called):
        super().__init__()
        self.first, self.second, self.last = nn.Linear(6, 32), nn.Linear(32, 32), nn.Linear(32, 3)
        self.one, self.two = (F.relu, F.relu) if called else (nn.ReLU(), nn.ReLU())

    def forward(self, x):
        return self.last(self.two(self.second(self.one(self.first(x)))))


torch.manual_seed(0)
modules, called = Net(False), Net(True)
called.load_state_dict(modules.state_dict())
x = torch.randn(4, 6)
for name, net in (("modules", modules), ("called", called)):
    plain = Saliency(net).attribute(x, target=0, abs=False)
    for make in (GuidedBackprop, Deconvolution):
        print(name, make.__name__, "is the plain gradient:", torch.allclose(make(net).attribute(x, target=0), plain))
    delta = DeepLift(net).attribute(x, torch.zeros_like(x), target=0, return_convergence_delta=True)[1]
    print(name, "DeepLift adds up:", bool(delta.abs().max() < 1e-4))
PY
shown=$("$work/venv/bin/python" "$work/show.py" 2>/dev/null)
[[ $shown == $'modules GuidedBackprop is the plain gradient: False\nmodules Deconvolution is the plain gradient: False\nmodules DeepLift adds up: True\ncalled GuidedBackprop is the plain gradient: True\ncalled Deconvolution is the plain gradient: True\ncalled DeepLift adds up: False' ]] || { echo "it is otherwise now: $shown"; exit 1; }
echo "guided backpropagation through F.relu is the plain gradient"
