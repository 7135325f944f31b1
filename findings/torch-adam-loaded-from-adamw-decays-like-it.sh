#!/usr/bin/env bash
# torch 2.14.1: an Adam that loads the state dict of an AdamW decays the weights as AdamW does: 0.001 of a weight
# without a gradient, rate 0.01 and decay 0.1, instead of Adam's step of 0.01. A key of the groups,
# decoupled_weight_decay, says which it is and is loaded like the rate; type(optimizer) is still Adam. The other way
# round it holds: AdamW sets the key again after loading. So "go on with plain Adam" from an AdamW checkpoint changes
# nothing.
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"; "$work/venv/bin/pip" install -q 'torch==2.14.1' 'numpy==2.4.6'
cat >"$work/show.py" <<'PY'
import torch
from torch import nn

for kind in (torch.optim.Adam, torch.optim.AdamW):
    for saved in (None, torch.optim.Adam, torch.optim.AdamW):
        weight = nn.Parameter(torch.ones(1))
        optimizer = kind([weight], lr=0.01, weight_decay=0.1)
        if saved:
            optimizer.load_state_dict(saved([nn.Parameter(torch.ones(1))], lr=0.01, weight_decay=0.1).state_dict())
        weight.grad = torch.zeros(1)
        optimizer.step()
        loaded = f"loaded from {saved.__name__}" if saved else "fresh"
        print(type(optimizer).__name__, loaded, f"{1 - weight.item():.3f}")
PY
shown=$("$work/venv/bin/python" "$work/show.py" 2>/dev/null)
[[ $shown == $'Adam fresh 0.010\nAdam loaded from Adam 0.010\nAdam loaded from AdamW 0.001\nAdamW fresh 0.001\nAdamW loaded from Adam 0.001\nAdamW loaded from AdamW 0.001' ]] || { echo "it is otherwise now: $shown"; exit 1; }
echo "Adam decays like AdamW once it has loaded AdamW's state"
