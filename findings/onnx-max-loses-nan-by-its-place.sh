#!/usr/bin/env bash
# torch 2.14.1, onnxruntime 1.32.0, CPU: exported maxima lose NaN, by its place. Max pooling, global max pooling, amax and
# argmax of PyTorch always pass a NaN on (or name its place). In onnxruntime a NaN that is the first value of a pooling
# window is gone, and so is one that is not the first of all values for the others: the answer is the largest of the rest.
# So a model whose activations are broken gives finite, confident answers behind a max pooling. Average pooling passes it
# on. Shown: the first output of PyTorch and of onnxruntime for a NaN at the sixth place of 0..15, then at the first.
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install -q 'torch==2.14.1' 'onnxruntime==1.32.0' 'onnx==1.23.2' 'onnxscript==0.7.2' numpy
cat >"$work/show.py" <<'PY'
import contextlib
import io
import sys
import onnxruntime
import torch
from torch import nn


class Function(nn.Module):
    def __init__(self, function):
        super().__init__()
        self.function = function

    def forward(self, x):
        return self.function(x)


def broken(place):
    x = torch.arange(16.0)
    x[place] = float("nan")
    return x.reshape(1, 1, 4, 4)


for name, net in (
    ("MaxPool2d", nn.MaxPool2d(2)),
    ("AdaptiveMaxPool2d", nn.AdaptiveMaxPool2d(1)),
    ("amax", Function(lambda x: x.amax((2, 3)))),
    ("argmax", Function(lambda x: x.flatten(1).argmax(1))),
    ("AvgPool2d", nn.AvgPool2d(2)),
):
    with contextlib.redirect_stdout(io.StringIO()):
        torch.onnx.export(net.eval(), (broken(5),), sys.argv[1], dynamo=True, verbose=False)
    session = onnxruntime.InferenceSession(sys.argv[1], providers=["CPUExecutionProvider"])
    shown = []
    for place in (5, 0):
        x = broken(place)
        theirs = session.run(None, {session.get_inputs()[0].name: x.numpy()})[0]
        shown += [net(x).flatten()[0].item(), theirs.flatten()[0]]
    print(name, *shown)
PY
shown=$("$work/venv/bin/python" "$work/show.py" "$work/net.onnx" 2>/dev/null)
[[ $shown == $'MaxPool2d nan nan nan 5.0\nAdaptiveMaxPool2d nan 15.0 nan nan\namax nan 15.0 nan nan\nargmax 5 15 0 0\nAvgPool2d nan nan nan nan' ]] ||
    { echo "it is otherwise now: $shown"; exit 1; }
echo "whether a NaN outlives a maximum depends on its place in onnxruntime, never in PyTorch"
