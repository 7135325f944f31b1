#!/usr/bin/env bash
# torch 2.14.1, jax 0.10.2: a whole number that a uint8 tensor is compared with is made uint8 first, and wraps: -1 is 255,
# 256 is 0, 300 is 44. So a mask "labels != -1" leaves out class 255, "picture < 256" is true nowhere, and neither is
# "labels > -1", all without a word; the same for a number in a 0-d tensor. numpy and pandas compare the values.
# jnp.clip(picture, 0, 256) is black; torch raises there. Of 0, 5, 200 and 255, which are it?
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"; "$work/venv/bin/pip" install -q 'torch==2.14.1' 'jax==0.10.2' 'numpy==2.4.6' 'pandas==3.1.1'
cat >"$work/show.py" <<'PY'
import jax.numpy as jnp
import numpy as np
import pandas as pd
import torch

values = np.array([0, 5, 200, 255], "uint8")
made = {"numpy": values, "pandas": pd.Series(values), "torch": torch.tensor(values), "jax": jnp.array(values)}
tests = {
    "== -1": lambda x: x == -1,
    "> -1": lambda x: x > -1,
    "< 256": lambda x: x < 256,
    "> 300": lambda x: x > 300,
}
for name, test in tests.items():
    print(name, *(f"{library} {values[np.asarray(test(x))].tolist()}" for library, x in made.items()))
print("== tensor(-1)", values[(made["torch"] == torch.tensor(-1)).numpy()].tolist())
print("clip", np.clip(values, 0, 256).tolist(), jnp.clip(made["jax"], 0, 256).tolist(), end=" ")
try:
    made["torch"].clip(0, 256)
except RuntimeError:
    print("torch raises")
PY
shown=$(cd "$work" && "$work/venv/bin/python" "$work/show.py" 2>/dev/null)
[[ $shown == $'== -1 numpy [] pandas [] torch [255] jax [255]\n> -1 numpy [0, 5, 200, 255] pandas [0, 5, 200, 255] torch [] jax []\n< 256 numpy [0, 5, 200, 255] pandas [0, 5, 200, 255] torch [] jax []\n> 300 numpy [] pandas [] torch [200, 255] jax [200, 255]\n== tensor(-1) [255]\nclip [0, 5, 200, 255] [0, 0, 0, 0] torch raises' ]] || { echo "it is otherwise now: $shown"; exit 1; }
echo "uint8 of torch and jax: 255 is -1, and nothing is below 256"
