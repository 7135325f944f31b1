#!/usr/bin/env bash
# OpenCV 5.0.0: cv2.dnn answers NaN for tanh of 45 and 80, infinity for softplus of 90, and -inf for log-softmax where
# another score is 120 ahead. torch gives 1, 90 and -120. So an exported net whose features are large (unscaled pixels,
# no normalisation) answers NaN in cv2 alone; sigmoid is right. Shown: 16 equal scores (for log-softmax: 0 behind one
# that is so far ahead), torch's answer and cv2's.
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"; "$work/venv/bin/pip" install -q 'torch==2.14.1' 'opencv-python-headless==5.0.0.93' 'onnx==1.23.2' 'onnxscript==0.7.2' 'numpy==2.4.6'
cat >"$work/show.py" <<'PY'
import tempfile
from pathlib import Path

import cv2
import torch
from torch import nn

for layer, values in ((nn.Tanh(), (40, 45, 80)), (nn.Softplus(), (80, 90)), (nn.LogSoftmax(1), (80, 120)), (nn.Sigmoid(), (45, 90))):
    for value in values:
        x = torch.full((1, 16), float(value))
        if isinstance(layer, nn.LogSoftmax):
            x[0, 1:] = 0
        path = str(Path(tempfile.mkdtemp()) / "net.onnx")
        torch.onnx.export(layer, (x,), path, dynamo=False)
        net = cv2.dnn.readNetFromONNX(path)
        net.setInput(x.numpy())
        print(f"{type(layer).__name__} {value}: torch {layer(x)[0, 1].item():.0f} cv2 {net.forward()[0, 1]:.0f}")
PY
shown=$("$work/venv/bin/python" "$work/show.py" 2>/dev/null)
[[ $shown == $'Tanh 40: torch 1 cv2 1\nTanh 45: torch 1 cv2 nan\nTanh 80: torch 1 cv2 nan\nSoftplus 80: torch 80 cv2 80\nSoftplus 90: torch 90 cv2 inf\nLogSoftmax 80: torch -80 cv2 -80\nLogSoftmax 120: torch -120 cv2 -inf\nSigmoid 45: torch 1 cv2 1\nSigmoid 90: torch 1 cv2 1' ]] || { echo "it is otherwise now: $shown"; exit 1; }
echo "cv2.dnn's tanh of 45 is NaN"
