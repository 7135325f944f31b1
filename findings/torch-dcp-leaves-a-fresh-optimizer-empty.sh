#!/usr/bin/env bash
# torch 2.14.1: torch.distributed.checkpoint.load fills what is in the state dict that it is given. A fresh optimizer's
# has no moments yet, so dcp.load({"opt": optimizer.state_dict()}) and load_state_dict bring back the rate and no
# moments: Adam begins anew in mid-training, without a word. The weights and the epoch are right. get_state_dict of
# torch.distributed.checkpoint.state_dict makes the moments first.
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"; "$work/venv/bin/pip" install -q 'torch==2.14.1' 'numpy==2.4.6'
cat >"$work/show.py" <<'PY'
import tempfile

import torch
import torch.distributed.checkpoint as dcp
from torch import nn
from torch.distributed.checkpoint.state_dict import get_state_dict


def made(lr):
    net = nn.Linear(2, 2)
    return net, torch.optim.Adam(net.parameters(), lr=lr)


net, optimizer = made(0.5)
net(torch.ones(1, 2)).sum().backward()
optimizer.step()
folder = tempfile.mkdtemp()
dcp.save({"net": net.state_dict(), "opt": optimizer.state_dict(), "epoch": 7}, checkpoint_id=folder)
fresh, other = made(0.1)
state = {"net": fresh.state_dict(), "opt": other.state_dict(), "epoch": 0}
dcp.load(state, checkpoint_id=folder)
other.load_state_dict(state["opt"])
print("weights equal", torch.equal(net.weight, fresh.weight), "epoch", state["epoch"], "rate", other.param_groups[0]["lr"])
print("weights with moments:", len(optimizer.state), "saved,", len(other.state), "loaded")
fresh, other = made(0.1)
get_state_dict(fresh, other)
print("after get_state_dict:", len(other.state_dict()["state"]))
PY
shown=$("$work/venv/bin/python" "$work/show.py" 2>/dev/null)
[[ $shown == $'weights equal True epoch 7 rate 0.5\nweights with moments: 2 saved, 0 loaded\nafter get_state_dict: 2' ]] || { echo "it is otherwise now: $shown"; exit 1; }
echo "dcp.load leaves a fresh Adam without its moments"
