#!/usr/bin/env bash
# keras 3.15.1 on torch 2.14.1: he_normal takes the shape 3 x 3 x channels x 1 of a depthwise kernel for one that adds
# over the channels: the weights and the outputs are too small by the root of the channels, 8 times for 64, at each
# layer. Conv2D is right, with groups too. glorot_uniform, the default, goes by the same fans. How many times too small:
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"; "$work/venv/bin/pip" install -q 'keras==3.15.1' 'torch==2.14.1' 'numpy==2.4.6'
cat >"$work/show.py" <<'PY'
import os

os.environ["KERAS_BACKEND"] = "torch"
import keras
import numpy as np
import torch

for channels in (16, 64, 256):
    keras.utils.set_random_seed(0)
    x = torch.randn(8, 16, 16, channels).numpy()
    for name, layer, inputs in (
        ("Conv2D", keras.layers.Conv2D(channels, 3, kernel_initializer="he_normal"), 9 * channels),
        ("groups", keras.layers.Conv2D(channels, 3, groups=channels // 4, kernel_initializer="he_normal"), 36),
        ("DepthwiseConv2D", keras.layers.DepthwiseConv2D(3, depthwise_initializer="he_normal"), 9),
    ):
        shown = keras.ops.convert_to_numpy(layer(x))
        wanted = (2 / inputs) ** 0.5
        print(
            channels, name, f"weights {wanted / np.std(keras.ops.convert_to_numpy(layer.kernel)):.0f}", end=" times too small, "
        )
        print(f"outputs {2**0.5 / shown.std():.0f}")
PY
shown=$("$work/venv/bin/python" "$work/show.py" 2>/dev/null)
[[ $shown == $'16 Conv2D weights 1 times too small, outputs 1\n16 groups weights 1 times too small, outputs 1\n16 DepthwiseConv2D weights 4 times too small, outputs 4\n64 Conv2D weights 1 times too small, outputs 1\n64 groups weights 1 times too small, outputs 1\n64 DepthwiseConv2D weights 8 times too small, outputs 8\n256 Conv2D weights 1 times too small, outputs 1\n256 groups weights 1 times too small, outputs 1\n256 DepthwiseConv2D weights 16 times too small, outputs 16' ]] || { echo "it is otherwise now: $shown"; exit 1; }
echo "a depthwise layer of 64 channels with he_normal begins 8 times too small"
