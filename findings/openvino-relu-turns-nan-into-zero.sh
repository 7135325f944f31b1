#!/usr/bin/env bash
# openvino 2026.4.1, CPU (x86): ReLU and ReLU6 (a clamp to 0..6) turn NaN into 0, a hard sigmoid into 1; sigmoid, tanh
# and a sum keep it. So a converted net whose input is NaN (0 divided by 0 in the normalisation, a missing value)
# answers with finite scores, those of its biases, and no look at the outputs finds it, where PyTorch's answer is NaN.
# What becomes of NaN:
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"; "$work/venv/bin/pip" install -q 'openvino==2026.4.1' 'numpy==2.4.6'
cat >"$work/show.py" <<'PY'
import numpy as np
import openvino as ov
from openvino import opset13 as ops

layers = {
    "relu": ops.relu,
    "clamp 0..6": lambda x: ops.clamp(x, 0.0, 6.0),
    "hard sigmoid": lambda x: ops.hard_sigmoid(x, np.float32(0.2), np.float32(0.5)),
    "sigmoid": ops.sigmoid,
    "tanh": ops.tanh,
    "sum": lambda x: ops.add(x, x),
}
exact = {"INFERENCE_PRECISION_HINT": "f32"}
for name, layer in layers.items():
    x = ops.parameter([1, 64], np.float32)
    net = ov.compile_model(ov.Model([layer(x)], [x]), "CPU", exact)
    y = net(np.full((1, 64), np.nan, np.float32))[0]
    print(name, "NaN" if np.isnan(y).all() else f"{y.min():.1f} to {y.max():.1f}")
PY
shown=$("$work/venv/bin/python" "$work/show.py" 2>/dev/null)
[[ $shown == $'relu 0.0 to 0.0\nclamp 0..6 0.0 to 0.0\nhard sigmoid 1.0 to 1.0\nsigmoid NaN\ntanh NaN\nsum NaN' ]] || { echo "it is otherwise now: $shown"; exit 1; }
echo "openvino's ReLU of NaN is 0"
