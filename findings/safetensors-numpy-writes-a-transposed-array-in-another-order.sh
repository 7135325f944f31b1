#!/usr/bin/env bash
# safetensors 0.8.0: save_file of safetensors.numpy writes the memory as it lies, with the shape as it is asked for: a
# transposed array (weights of keras or flax, turned for PyTorch), one in Fortran's order or every second column comes
# back with its values at other places, without a word. What comes back of
# 2 x 3 values, turned, and behind ascontiguousarray:
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"; "$work/venv/bin/pip" install -q 'safetensors==0.8.0' 'numpy==2.4.6'
cat >"$work/show.py" <<'PY'
import numpy as np
from safetensors.numpy import load_file, save_file

weight = np.arange(6.0).reshape(2, 3)
for name, array in {
    "transposed": weight.T,
    "Fortran": np.asfortranarray(weight),
    "every second column": weight[:, ::2],
    "contiguous": np.ascontiguousarray(weight.T),
}.items():
    save_file({"weight": array}, "weight.safetensors")
    print(name, array.tolist(), "comes back", load_file("weight.safetensors")["weight"].tolist())
PY
shown=$(cd "$work" && "$work/venv/bin/python" "$work/show.py" 2>/dev/null)
[[ $shown == $'transposed [[0.0, 3.0], [1.0, 4.0], [2.0, 5.0]] comes back [[0.0, 1.0], [2.0, 3.0], [4.0, 5.0]]\nFortran [[0.0, 1.0, 2.0], [3.0, 4.0, 5.0]] comes back [[0.0, 3.0, 1.0], [4.0, 2.0, 5.0]]\nevery second column [[0.0, 2.0], [3.0, 5.0]] comes back [[0.0, 1.0], [2.0, 3.0]]\ncontiguous [[0.0, 3.0], [1.0, 4.0], [2.0, 5.0]] comes back [[0.0, 3.0], [1.0, 4.0], [2.0, 5.0]]' ]] || { echo "it is otherwise now: $shown"; exit 1; }
echo "a transposed array in safetensors.numpy comes back with its values elsewhere"
