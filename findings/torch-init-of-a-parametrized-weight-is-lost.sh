#!/usr/bin/env bash
# torch 2.14.1: behind weight_norm, spectral_norm or orthogonal, layer.weight is worked out anew at each look, so what
# nn.init.zeros_(layer.weight), mul_ or weight.data.fill_ write is lost without a word: the usual net.apply(init) leaves
# these layers as they were (what init returns holds the new values). layer.weight = value is what writes through.
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"; "$work/venv/bin/pip" install -q 'torch==2.14.1' 'numpy==2.4.6'
cat >"$work/show.py" <<'PY'
import torch
from torch import nn
from torch.nn.utils import parametrizations

for name in ("weight_norm", "spectral_norm", "orthogonal"):
    layer = getattr(parametrizations, name)(nn.Linear(8, 8)).eval()
    before = layer.weight.clone()
    with torch.no_grad():
        shown = nn.init.zeros_(layer.weight)
        layer.weight.mul_(0)
        layer.weight.data.fill_(0)
    kept = torch.equal(layer.weight, before)
    print(name, "what init gives is 0:", shown.abs().max().item() == 0, "the layer is as before:", kept)
PY
shown=$("$work/venv/bin/python" "$work/show.py" 2>/dev/null)
[[ $shown == $'weight_norm what init gives is 0: True the layer is as before: True\nspectral_norm what init gives is 0: True the layer is as before: True\northogonal what init gives is 0: True the layer is as before: True' ]] || { echo "it is otherwise now: $shown"; exit 1; }
echo "nn.init on a weight behind weight_norm, spectral_norm or orthogonal changes nothing"
