#!/usr/bin/env bash
# torch 2.14.1, onnxruntime 1.32.0: torch.onnx.export of avg_pool2d or avg_pool3d with divisor_override leaves the divisor
# out, in both exporters and without a word: the exported net divides by the size of the window. So a pooling that sums
# (divisor_override=1) is an average in ONNX, all later layers get a quarter (2x2) or a 49th (7x7) of their values.
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"; "$work/venv/bin/pip" install -q 'torch==2.14.1' 'onnx==1.23.2' 'onnxscript==0.7.2' 'onnxruntime==1.32.0' 'numpy==2.4.6'
cat >"$work/show.py" <<'PY'
import tempfile
from pathlib import Path

import onnxruntime
import torch
from torch import nn

for name, net, x in (
    ("2x2", nn.AvgPool2d(2, divisor_override=1), torch.ones(1, 1, 8, 8)),
    ("7x7", nn.AvgPool2d(7, divisor_override=1), torch.ones(1, 1, 8, 8)),
    ("2x2x2", nn.AvgPool3d(2, divisor_override=1), torch.ones(1, 1, 8, 8, 8)),
):
    for newer in (True, False):
        path = str(Path(tempfile.mkdtemp()) / "net.onnx")
        torch.onnx.export(net.eval(), (x,), path, dynamo=newer, verbose=False)
        session = onnxruntime.InferenceSession(path)
        answer = session.run(None, {session.get_inputs()[0].name: x.numpy()})[0]
        print("newer" if newer else "older", name, "torch", net(x).max().item(), "onnx", answer.max())
PY
shown=$("$work/venv/bin/python" "$work/show.py" 2>/dev/null)
[[ $shown == $'newer 2x2 torch 4.0 onnx 1.0\nolder 2x2 torch 4.0 onnx 1.0\nnewer 7x7 torch 49.0 onnx 1.0\nolder 7x7 torch 49.0 onnx 1.0\nnewer 2x2x2 torch 8.0 onnx 1.0\nolder 2x2x2 torch 8.0 onnx 1.0' ]] || { echo "it is otherwise now: $shown"; exit 1; }
echo "an exported pooling has lost its divisor_override"
