#!/usr/bin/env bash
# torch 2.14.1, onnxruntime 1.32.0: torch.onnx.export of a net that is still in train() warns that it is, and writes
# batch norm as in eval() all the same, and dropout as in training: the exported net answers otherwise each time. The
# older exporter (dynamo=False) writes all as in eval(), without that warning. onnxruntime takes a plain nn.Dropout in
# mid-net out again, so the fault shows only with dropout that works in place, Dropout2d or StochasticDepth.
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"; "$work/venv/bin/pip" install -q 'torch==2.14.1' 'torchvision==0.29.1' 'onnx==1.23.2' 'onnxscript==0.7.2' 'onnxruntime==1.32.0' 'numpy==2.4.6'
cat >"$work/show.py" <<'PY'
import tempfile
from pathlib import Path

import numpy as np
import onnxruntime
import torch
from torch import nn
from torchvision.ops import StochasticDepth

x = torch.randn(8, 3, 8, 8, generator=torch.Generator().manual_seed(0))
torch.manual_seed(0)


def answers(net, newer):
    path = str(Path(tempfile.mkdtemp()) / "net.onnx")
    torch.onnx.export(net, (x,), path, dynamo=newer, verbose=False)
    session = onnxruntime.InferenceSession(path)
    given = {session.get_inputs()[0].name: x.numpy()}
    once, again = session.run(None, given)[0], session.run(None, given)[0]
    was = "train" if net.training else "eval"
    with torch.no_grad():
        right = net.eval()(x).numpy()
    return was, np.allclose(once, again), np.allclose(once, right, atol=1e-4)


for layer in (nn.BatchNorm2d(4), nn.Dropout(0.5), nn.Dropout(0.5, inplace=True), nn.Dropout2d(0.5), StochasticDepth(0.5, "row")):
    for newer in (True, False):
        net = nn.Sequential(nn.Conv2d(3, 4, 3), layer, nn.Flatten(), nn.Linear(144, 2)).train()
        was, same, right = answers(net, newer)
        told = ["answers " + ("always the same" if same else "otherwise each time"), "as in eval" if right else "not as in eval"]
        name = type(layer).__name__ + (" in place" if getattr(layer, "inplace", False) else "")
        print("newer" if newer else "older", name, was, *told)
PY
shown=$("$work/venv/bin/python" "$work/show.py" 2>/dev/null)
[[ $shown == $'newer BatchNorm2d train answers always the same as in eval\nolder BatchNorm2d train answers always the same as in eval\nnewer Dropout train answers always the same as in eval\nolder Dropout train answers always the same as in eval\nnewer Dropout in place train answers otherwise each time not as in eval\nolder Dropout in place train answers always the same as in eval\nnewer Dropout2d train answers otherwise each time not as in eval\nolder Dropout2d train answers always the same as in eval\nnewer StochasticDepth train answers otherwise each time not as in eval\nolder StochasticDepth train answers always the same as in eval' ]] || { echo "it is otherwise now: $shown"; exit 1; }
echo "the newer exporter writes the dropout of a net in train() into the ONNX file"
