#!/usr/bin/env bash
# torch 2.14.1, onnxscript 0.7.2, onnxruntime 1.32.0: torch.onnx.export takes an addition of 1e-8 or less for one of 0
# and a product with up to 1.00001 for one with 1, and leaves them out. So `x / (x.std() + 1e-8)`, safe in PyTorch, is
# NaN in the exported net for a flat picture, and `log(x + 1e-8)` minus infinity for 0. A tensor of several numbers is
# kept, a scalar parameter isn't. optimize=False keeps all, and so does the older exporter (dynamo=False); clamp_min
# isn't touched.
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"; "$work/venv/bin/pip" install -q 'torch==2.14.1' 'onnx==1.23.2' 'onnxscript==0.7.2' 'onnxruntime==1.32.0' 'numpy==2.4.6'
cat >"$work/show.py" <<'PY'
import tempfile
from pathlib import Path

import onnxruntime
import torch
from torch import nn


class Net(nn.Module):
    def __init__(self, of, eps):
        super().__init__()
        self.of, self.eps = of, eps

    def forward(self, x):
        return self.of(x, self.eps)


def shown(name, of, eps, x, **options):
    net = Net(of, eps).eval()
    path = str(Path(tempfile.mkdtemp()) / "net.onnx")
    torch.onnx.export(net, (x,), path, verbose=False, **options)
    session = onnxruntime.InferenceSession(path)
    answer = session.run(None, {session.get_inputs()[0].name: x.numpy()})[0]
    with torch.no_grad():
        print(name, f"torch {net(x)[0].item():.6g} onnx {answer[0]:.6g}")


flat, zeros, thousand = torch.full((3,), 0.5), torch.zeros(3), torch.full((3,), 1000.0)
standardised = lambda x, eps: (x - x.mean()) / (x.std() + eps)
for eps in (1e-7, 1e-8):
    shown(f"flat / (std + {eps:g}):", standardised, eps, flat)
shown("optimize=False:", standardised, 1e-8, flat, optimize=False)
shown("dynamo=False:", standardised, 1e-8, flat, dynamo=False)
shown("clamp_min(1e-8):", lambda x, eps: (x - x.mean()) / x.std().clamp_min(eps), 1e-8, flat)
shown("log(0 + 1e-8):", lambda x, eps: torch.log(x + eps), 1e-8, zeros)
shown("a scalar parameter of 1e-9, 1e9 times:", lambda x, eps: (x + eps) * 1e9, nn.Parameter(torch.tensor(1e-9)), zeros)
shown("three of them:", lambda x, eps: (x + eps) * 1e9, nn.Parameter(torch.full((3,), 1e-9)), zeros)
shown("1000 * 1.000009:", lambda x, factor: x * factor, 1.000009, thousand)
PY
shown=$("$work/venv/bin/python" "$work/show.py" 2>/dev/null)
[[ $shown == $'flat / (std + 1e-07): torch 0 onnx 0\nflat / (std + 1e-08): torch 0 onnx nan\noptimize=False: torch 0 onnx 0\ndynamo=False: torch 0 onnx 0\nclamp_min(1e-8): torch 0 onnx 0\nlog(0 + 1e-8): torch -18.4207 onnx -inf\na scalar parameter of 1e-9, 1e9 times: torch 1 onnx 0\nthree of them: torch 1 onnx 1\n1000 * 1.000009: torch 1000.01 onnx 1000' ]] || { echo "it is otherwise now: $shown"; exit 1; }
echo "an exported net has lost each eps of 1e-8 or less: a flat picture is NaN"
