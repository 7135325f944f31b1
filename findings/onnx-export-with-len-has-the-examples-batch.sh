#!/usr/bin/env bash
# torch 2.14.1, onnxscript 0.7.2, onnxruntime 1.32.0: `len(x)` in a forward pass, unlike `x.shape[0]`, is the example's
# number for torch.export with strict=False, which torch.onnx.export tries first. Asked for a free batch by Dim.AUTO, the
# file says that its batch is free and divides a sum over 6 pictures by the example's 3; by Dim("n") it takes batches of 3
# alone, without a word of either; by the bare name "n", or Dim.DYNAMIC, it is right (strict=False gives up, strict=True is
# tried). The same holds for int(x.shape[0]).
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"; "$work/venv/bin/pip" install -q 'torch==2.14.1' 'onnx==1.23.2' 'onnxscript==0.7.2' 'onnxruntime==1.32.0' 'numpy==2.4.6'
cat >"$work/show.py" <<'PY'
import tempfile
from pathlib import Path

import onnxruntime
import torch
from torch import nn
from torch.export import Dim


class Share(nn.Module):
    """What each picture has of the mean of its batch."""

    def __init__(self, length):
        super().__init__()
        self.length = length

    def forward(self, x):
        return x * 2 / (x.sum(0) / self.length(x))


def shown(name, length, free):
    path = str(Path(tempfile.mkdtemp()) / "net.onnx")
    torch.onnx.export(Share(length), (torch.ones(3, 1),), path, verbose=False, dynamic_shapes=({0: free},))
    session = onnxruntime.InferenceSession(path)
    batch = session.get_inputs()[0].shape[0]
    try:
        answer = session.run(None, {session.get_inputs()[0].name: torch.ones(6, 1).numpy()})[0][0, 0]
    except Exception:
        answer = "no answer"
    print(name, batch if isinstance(batch, int) else "free", answer)


for name, length in (("len", len), ("int", lambda x: int(x.shape[0])), ("shape", lambda x: x.shape[0])):
    shown(f"{name} AUTO", length, Dim.AUTO)
    shown(f"{name} Dim", length, Dim("n"))
    shown(f"{name} name", length, "n")
    shown(f"{name} DYNAMIC", length, Dim.DYNAMIC)
PY
shown=$("$work/venv/bin/python" "$work/show.py" 2>/dev/null)
of() { printf '%s\n' "$1 AUTO free 1.0" "$1 Dim 3 no answer" "$1 name free 2.0" "$1 DYNAMIC free 2.0"; }
right=$(printf '%s\n' "shape AUTO free 2.0" "shape Dim free 2.0" "shape name free 2.0" "shape DYNAMIC free 2.0")
[[ $shown == "$(of len; of int; echo "$right")" ]] || { echo "it is otherwise now: $shown"; exit 1; }
echo "len(x) of an exported net is the example's, in a batch that is said to be free"
