#!/usr/bin/env bash
# torch 2.14.1, onnxruntime 1.32.0: scaled_dot_product_attention gives 0 to a row whose keys are all masked by a boolean
# mask (a token of padding, a window with nothing in it). In the net exported to ONNX that row is the mean of all values,
# the masked ones too: a pooling over tokens that counted on zeros takes in what was masked.
# The older exporter (dynamo=False) gives 0.
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"; "$work/venv/bin/pip" install -q 'torch==2.14.1' 'onnx==1.23.2' 'onnxscript==0.7.2' 'onnxruntime==1.32.0' 'numpy==2.4.6'
cat >"$work/show.py" <<'PY'
import tempfile
from pathlib import Path

import onnxruntime
import torch
from torch import nn
from torch.nn.functional import scaled_dot_product_attention


class Attention(nn.Module):
    def forward(self, x, mask):
        return scaled_dot_product_attention(x, x, x, attn_mask=mask)


x = torch.tensor([[1.0, 2.0], [3.0, 6.0], [8.0, 4.0]])[None, None]
mask = torch.tensor([[True, False, False], [True, True, False], [False, False, False]])
for newer in (True, False):
    path = str(Path(tempfile.mkdtemp()) / "net.onnx")
    torch.onnx.export(Attention(), (x, mask), path, dynamo=newer, verbose=False)
    session = onnxruntime.InferenceSession(path)
    given = dict(zip((put.name for put in session.get_inputs()), (x.numpy(), mask.numpy())))
    answer = session.run(None, given)[0][0, 0]
    print("newer" if newer else "older", "torch", Attention()(x, mask)[0, 0, 2].tolist(), "onnx", answer[2].round(4).tolist())
PY
shown=$("$work/venv/bin/python" "$work/show.py" 2>/dev/null)
[[ $shown == $'newer torch [0.0, 0.0] onnx [4.0, 4.0]\nolder torch [0.0, 0.0] onnx [0.0, 0.0]' ]] || { echo "it is otherwise now: $shown"; exit 1; }
echo "an exported attention gives a wholly masked row the mean of all values"
