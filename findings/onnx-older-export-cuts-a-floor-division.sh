#!/usr/bin/env bash
# torch 2.14.1, onnxruntime 1.32.0: the older exporter (dynamo=False) writes `x // 2` as a division cut towards 0: -7 // 2
# is -3 instead of -4, -1 // 2 is 0 instead of -1, for floats and integers. So offsets and cells on both sides of a middle
# fall together around 0. `torch.floor(x / 2)` and `div(rounding_mode="floor")` are right, and so is the newer exporter.
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"; "$work/venv/bin/pip" install -q 'torch==2.14.1' 'onnx==1.23.2' 'onnxscript==0.7.2' 'onnxruntime==1.32.0' 'numpy==2.4.6'
cat >"$work/show.py" <<'PY'
import tempfile
from pathlib import Path

import onnxruntime
import torch
from torch import nn


class Divided(nn.Module):
    def __init__(self, way):
        super().__init__()
        self.way = way

    def forward(self, x):
        if self.way == "//":
            return x // 2
        if self.way == "floor":
            return torch.floor(x / 2)
        return torch.div(x, 2, rounding_mode="floor")


for x in (torch.tensor([-7.0, -1.0, 1.0, 7.0]), torch.tensor([-7, -1, 1, 7])):
    for way in ("//", "floor", "div"):
        given = []
        for newer in (True, False):
            path = str(Path(tempfile.mkdtemp()) / "net.onnx")
            torch.onnx.export(Divided(way), (x,), path, dynamo=newer, verbose=False)
            session = onnxruntime.InferenceSession(path)
            answer = session.run(None, {session.get_inputs()[0].name: x.numpy()})[0]
            given += ["newer" if newer else "older", [int(value) for value in answer]]
        print("float" if x.is_floating_point() else "int", way, "torch", [int(value) for value in Divided(way)(x)], *given)
PY
shown=$("$work/venv/bin/python" "$work/show.py" 2>/dev/null | grep torch)
right='[-4, -1, 0, 3]'
want=""
for kind in float int; do for way in // floor div; do
    older=$right; [[ $way != // ]] || older='[-3, 0, 0, 3]'
    want+="$kind $way torch $right newer $right older $older"$'\n'
done; done
[[ $shown == "${want%$'\n'}" ]] || { echo "it is otherwise now: $shown"; exit 1; }
echo "the older exporter cuts a floor division towards 0"
