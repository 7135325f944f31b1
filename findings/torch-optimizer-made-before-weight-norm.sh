#!/usr/bin/env bash
# torch 2.14.1: weight_norm on a layer that an optimizer has already makes new parameters, and the optimizer goes on
# with the one that the net no longer uses: its biases train, its weights don't, no error. spectral_norm and orthogonal
# keep the parameter, and train on.
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"; "$work/venv/bin/pip" install -q 'torch==2.14.1' 'numpy==2.4.6'
cat >"$work/show.py" <<'PY'
import torch
from torch import nn
from torch.nn.utils import parametrizations

for name in ("weight_norm", "spectral_norm", "orthogonal"):
    torch.manual_seed(0)
    layer = nn.Linear(8, 8)
    optimizer = torch.optim.SGD(layer.parameters(), lr=0.1)
    getattr(parametrizations, name)(layer)
    weight, bias = layer.eval().weight.clone(), layer.bias.clone()
    layer(torch.ones(1, 8)).square().sum().backward()
    optimizer.step()
    moved = [not torch.equal(now, then) for now, then in ((layer.weight, weight), (layer.bias, bias))]
    print(name, "weight moved", moved[0], "bias moved", moved[1])
PY
shown=$("$work/venv/bin/python" "$work/show.py" 2>/dev/null)
[[ $shown == $'weight_norm weight moved False bias moved True\nspectral_norm weight moved True bias moved True\northogonal weight moved True bias moved True' ]] || { echo "it is otherwise now: $shown"; exit 1; }
echo "weight_norm behind the optimizer's back: the weights stand still"
