#!/usr/bin/env bash
# torch 2.14.1: a net pruned by torch.nn.utils.prune can't be copied once it has run with gradients: copy.deepcopy and
# AveragedModel raise about "graph leaves", so keeping the best net or an EMA fails in mid-training; after a pass under
# no_grad it works. And load_state_dict leaves the weight that is shown, saved by hand or exported as it was until the
# next forward pass works it out from weight_orig.
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"; "$work/venv/bin/pip" install -q 'torch==2.14.1' 'numpy==2.4.6'
cat >"$work/show.py" <<'PY'
import copy

import torch
from torch import nn
from torch.nn.utils import prune
from torch.optim.swa_utils import AveragedModel


def made():
    net = nn.Sequential(nn.Linear(4, 4))
    prune.l1_unstructured(net[0], "weight", 0.5)
    return net


def tried(name, make, net):
    try:
        make(net)
        print(name, "works")
    except RuntimeError as error:
        print(name, "raises:", str(error)[:58])


torch.manual_seed(0)
net = made()
net(torch.ones(1, 4))
tried("deepcopy after a pass", copy.deepcopy, net)
tried("AveragedModel after a pass", AveragedModel, net)
with torch.no_grad():
    net(torch.ones(1, 4))
tried("deepcopy after a pass under no_grad", copy.deepcopy, net)
other = made()
other.load_state_dict(net.state_dict())
print("weight after load_state_dict equal:", torch.equal(net[0].weight, other[0].weight))
other(torch.ones(1, 4))
print("and after a pass:", torch.equal(net[0].weight, other[0].weight))
PY
shown=$("$work/venv/bin/python" "$work/show.py" 2>/dev/null)
[[ $shown == $'deepcopy after a pass raises: Only Tensors created explicitly by the user (graph leaves)\nAveragedModel after a pass raises: Only Tensors created explicitly by the user (graph leaves)\ndeepcopy after a pass under no_grad works\nweight after load_state_dict equal: False\nand after a pass: True' ]] || { echo "it is otherwise now: $shown"; exit 1; }
echo "a pruned net can't be copied after a forward pass"
