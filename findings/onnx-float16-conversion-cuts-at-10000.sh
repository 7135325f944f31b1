#!/usr/bin/env bash
# onnxconverter-common 1.16.0: convert_float_to_float16 cuts weights at 10,000, though float16 goes to 65,504, and
# raises all below 1e-7 to it. A batch norm over pixels of 0..255 or large features has variances of tens of thousands:
# they become 10,000, as do the means, and the net answers 104 instead of 2. max_finite_val=65504 keeps them. It warns
# in Python's warnings alone. Answer of a batch norm with variance 40,000 and mean 20,000 for 20,400, in float32 and
# converted:
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"; "$work/venv/bin/pip" install -q 'onnxconverter-common==1.16.0' 'onnx==1.23.2' 'onnxscript==0.7.2' 'onnxruntime==1.32.0' 'torch==2.14.1' 'numpy==2.4.6'
cat >"$work/show.py" <<'PY'
import tempfile
from pathlib import Path

import onnx
import onnxruntime
import torch
from onnxconverter_common import float16
from torch import nn

norm = nn.BatchNorm2d(1).eval()
norm.running_var.fill_(40000.0)
norm.running_mean.fill_(20000.0)
x = torch.full((1, 1, 2, 2), 20400.0)
path = str(Path(tempfile.mkdtemp()) / "net.onnx")
torch.onnx.export(norm, (x,), path, dynamo=False)
print(f"float32 {norm(x).flatten()[0].item():.0f}")
for options in ({}, {"max_finite_val": 65504.0}):
    small = float16.convert_float_to_float16(onnx.load(path), keep_io_types=True, **options)
    session = onnxruntime.InferenceSession(small.SerializeToString())
    print(options, f"{session.run(None, {session.get_inputs()[0].name: x.numpy()})[0].flatten()[0]:.0f}")
PY
shown=$("$work/venv/bin/python" "$work/show.py" 2>/dev/null)
[[ $shown == $'float32 2\n{} 104\n{\'max_finite_val\': 65504.0} 2' ]] || { echo "it is otherwise now: $shown"; exit 1; }
echo "float16 weights are cut at 10,000"
