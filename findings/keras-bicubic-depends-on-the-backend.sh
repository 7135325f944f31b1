#!/usr/bin/env bash
# keras 3.15.1: a saved net gives the same answers on each backend, one could guess. Resizing and UpSampling2D with
# "bicubic" make other pixels on torch 2.14.1 than on jax 0.10.2, which are Pillow's: the kernel is a sharper one. With
# antialias=True, and bilinear, they are the same. Levels of 0 to 255 from 16 x 16 to 32 x 32 pixels: the largest
# difference of the two backends, and of each from Pillow's:
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"; "$work/venv/bin/pip" install -q 'keras==3.15.1' 'torch==2.14.1' 'jax==0.10.2' 'pillow==13.0.0' 'numpy==2.4.6'
cat >"$work/show.py" <<'PY'
import json
import os
import subprocess
import sys

import numpy as np
from PIL import Image

work = """
import keras, json, numpy
x = numpy.random.default_rng(0).integers(0, 256, (1, 16, 16, 1)).astype("float32")
layers = {
    "Resizing": keras.layers.Resizing(32, 32, interpolation="bicubic"),
    "UpSampling2D": keras.layers.UpSampling2D(2, interpolation="bicubic"),
    "Resizing, antialias": keras.layers.Resizing(32, 32, interpolation="bicubic", antialias=True),
    "Resizing, bilinear": keras.layers.Resizing(32, 32, interpolation="bilinear"),
}
print(json.dumps({name: keras.ops.convert_to_numpy(layer(x)).ravel().tolist() for name, layer in layers.items()}))
"""


def answers(backend):
    return json.loads(subprocess.run([sys.executable, "-c", work], env=os.environ | {"KERAS_BACKEND": backend}, capture_output=True, check=True).stdout)


of_torch, of_jax = answers("torch"), answers("jax")
x = np.random.default_rng(0).integers(0, 256, (16, 16)).astype("float32")
pillow = np.asarray(Image.fromarray(x).resize((32, 32), Image.Resampling.BICUBIC)).ravel()
for name in of_torch:
    mine, other = np.array(of_torch[name]), np.array(of_jax[name])
    against = np.asarray(Image.fromarray(x).resize((32, 32), Image.Resampling.BILINEAR)).ravel() if "bilinear" in name else pillow
    print(f"{name}: {abs(mine - other).max():.0f}, torch {abs(mine - against).max():.0f}, jax {abs(other - against).max():.0f}")
PY
shown=$(cd "$work" && "$work/venv/bin/python" "$work/show.py" 2>/dev/null)
[[ $shown == $'Resizing: 15, torch 15, jax 0\nUpSampling2D: 15, torch 15, jax 0\nResizing, antialias: 0, torch 0, jax 0\nResizing, bilinear: 0, torch 0, jax 0' ]] || { echo "it is otherwise now: $shown"; exit 1; }
echo "bicubic of keras has other pixels on torch than on jax"
