#!/usr/bin/env bash
# torch 2.14.1, onnxruntime 1.32.0: torch.onnx.export of scatter_reduce(..., "mean") (means of patches by region, of
# features by group) writes it without the reduction: each group is the last of its values, without a word. Sum, amax,
# amin and prod are right, and so is a sum divided by bincount; the older exporter (dynamo=False) raises.
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"; "$work/venv/bin/pip" install -q 'torch==2.14.1' 'onnx==1.23.2' 'onnxscript==0.7.2' 'onnxruntime==1.32.0' 'numpy==2.4.6'
cat >"$work/show.py" <<'PY'
import tempfile
from pathlib import Path

import onnxruntime
import torch
from torch import nn

groups = torch.tensor([0, 0, 0, 1, 1])


class Reduced(nn.Module):
    def __init__(self, by):
        super().__init__()
        self.by = by

    def forward(self, x):
        if self.by == "sum / bincount":
            return torch.zeros(2).scatter_add(0, groups, x) / torch.bincount(groups)
        return torch.zeros(2).scatter_reduce(0, groups, x, self.by, include_self=False)


x = torch.tensor([10.0, 20.0, 60.0, 3.0, 5.0])
for by in ("mean", "sum", "amax", "amin", "prod", "sum / bincount"):
    path = str(Path(tempfile.mkdtemp()) / "net.onnx")
    torch.onnx.export(Reduced(by), (x,), path, verbose=False)
    session = onnxruntime.InferenceSession(path)
    answer = session.run(None, {session.get_inputs()[0].name: x.numpy()})[0]
    print(by, "torch", Reduced(by)(x).tolist(), "onnx", answer.tolist())
try:
    torch.onnx.export(Reduced("mean"), (x,), str(Path(tempfile.mkdtemp()) / "net.onnx"), dynamo=False)
except torch.onnx.OnnxExporterError:
    print("older: raises")
PY
shown=$("$work/venv/bin/python" "$work/show.py" 2>/dev/null | grep -E '^(mean|sum|amax|amin|prod|older)')
[[ $shown == $'mean torch [30.0, 4.0] onnx [60.0, 5.0]\nsum torch [90.0, 8.0] onnx [90.0, 8.0]\namax torch [60.0, 5.0] onnx [60.0, 5.0]\namin torch [10.0, 3.0] onnx [10.0, 3.0]\nprod torch [12000.0, 15.0] onnx [12000.0, 15.0]\nsum / bincount torch [30.0, 4.0] onnx [30.0, 4.0]\nolder: raises' ]] || { echo "it is otherwise now: $shown"; exit 1; }
echo "an exported mean over groups is the last value of each"
