#!/usr/bin/env bash
# torch 2.14.1: checkpoint(stem, images, use_reentrant=True) of images that want no gradient: the stem gets none (None, as
# if it were frozen) and stays as it began, while the layers behind it learn and the loss falls. One could guess that it
# raises, as backward() of a loss without any gradient does; there is a UserWarning alone. A block behind a layer that
# isn't checkpointed learns. images.requires_grad_() or use_reentrant=False mends it. Whether the stem moves in 20 steps:
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"; "$work/venv/bin/pip" install -q 'torch==2.14.1' 'numpy==2.4.6'
cat >"$work/show.py" <<'PY'
import warnings

import torch
from torch import nn
from torch.nn.functional import cross_entropy
from torch.utils.checkpoint import checkpoint


def trained(reentrant, wants_gradient=False, behind=False):
    torch.manual_seed(0)
    first, stem, head = nn.Conv2d(3, 3, 1), nn.Sequential(nn.Conv2d(3, 8, 3), nn.ReLU()), nn.Linear(8, 2)
    layers = nn.ModuleList([first, stem, head] if behind else [stem, head])
    x, y = torch.randn(32, 3, 8, 8).requires_grad_(wants_gradient), torch.randint(2, (32,))
    optimizer = torch.optim.AdamW(layers.parameters(), lr=0.01)
    began, losses = stem[0].weight.detach().clone(), []
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("default")
        for _ in range(20):
            features = checkpoint(stem, first(x) if behind else x, use_reentrant=reentrant)
            loss = cross_entropy(head(features.mean((2, 3))), y)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            losses.append(loss.item())
    moved = (stem[0].weight.detach() - began).norm().item()
    print("moved" if moved else "not moved", "loss falls" if losses[-1] < losses[0] else "loss stays", *{str(one.message) for one in caught})


trained(True)
trained(False)
trained(True, wants_gradient=True)
trained(True, behind=True)
PY
shown=$("$work/venv/bin/python" "$work/show.py" 2>/dev/null)
[[ $shown == $'not moved loss falls None of the inputs have requires_grad=True. Gradients will be None\nmoved loss falls\nmoved loss falls\nmoved loss falls' ]] || { echo "it is otherwise now: $shown"; exit 1; }
echo "a stem under a reentrant checkpoint never learns, the loss falls"
