#!/usr/bin/env bash
# torchsummary 1.5.1: summary(net, size) runs two pictures of noise through the net as it is, so in train() it moves the
# running means and variances of all batch norms: a look at the layers changes the net. torchview 0.2.7 and
# tensorboard's add_graph leave them. Batches counted, and whether the running mean is still 0:
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"; "$work/venv/bin/pip" install -q 'torchsummary==1.5.1' 'torchview==0.2.7' 'graphviz==0.21' 'tensorboard==2.21.0' 'torch==2.14.1' 'torchvision==0.29.1' 'numpy==2.4.6'
cat >"$work/show.py" <<'PY'
import contextlib
import io
import tempfile

import torch
import torchsummary
import torchview
from torch import nn
from torch.utils.tensorboard import SummaryWriter

x = torch.randn(2, 3, 8, 8) + 5


def graph(net):
    with SummaryWriter(tempfile.mkdtemp()) as writer:
        writer.add_graph(net, x)


for name, look in (
    ("torchsummary", lambda net: torchsummary.summary(net, (3, 8, 8), device="cpu")),
    ("torchview", lambda net: torchview.draw_graph(net, x)),
    ("add_graph", graph),
):
    net = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4)).train()
    with contextlib.redirect_stdout(io.StringIO()):
        look(net)
    print(name, net[1].num_batches_tracked.item(), not net[1].running_mean.any().item())
PY
shown=$("$work/venv/bin/python" "$work/show.py" 2>/dev/null)
[[ $shown == $'torchsummary 1 False\ntorchview 0 True\nadd_graph 0 True' ]] || { echo "it is otherwise now: $shown"; exit 1; }
echo "torchsummary's look at a net moves its batch norm"
