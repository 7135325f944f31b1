#!/usr/bin/env bash
# torch 2.14.1, onnxruntime 1.32.0, CPU: nn.LogSigmoid is exported as the logarithm of a sigmoid. In onnxruntime it is
# -inf from about -18 downwards, where PyTorch gives -18, -30, -80; a sum of log-probabilities over classes with it is
# -inf. Log-softmax of two outputs, (0, x), is right.
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


class OfTwo(nn.Module):
    def forward(self, x):
        return torch.stack([torch.zeros_like(x), x], -1).log_softmax(-1)[..., 1]


x = torch.tensor([[-5.0, -30.0, -80.0]])
for name, net in (("LogSigmoid", nn.LogSigmoid()), ("log_softmax", OfTwo())):
    with contextlib.redirect_stdout(io.StringIO()):
        torch.onnx.export(net.eval(), (x,), sys.argv[1], dynamo=True, verbose=False)
    session = onnxruntime.InferenceSession(sys.argv[1], providers=["CPUExecutionProvider"])
    theirs = session.run(None, {session.get_inputs()[0].name: x.numpy()})[0]
    print(name, [round(value, 2) for value in net(x)[0].tolist()], [round(value, 2) for value in theirs[0].tolist()])
PY
shown=$("$work/venv/bin/python" "$work/show.py" "$work/net.onnx" 2>/dev/null)
[[ $shown == $'LogSigmoid [-5.01, -30.0, -80.0] [-5.01, -inf, -inf]\nlog_softmax [-5.01, -30.0, -80.0] [-5.01, -30.0, -80.0]' ]] ||
    { echo "it is otherwise now: $shown"; exit 1; }
echo "LogSigmoid is -inf in onnxruntime below about -18"
