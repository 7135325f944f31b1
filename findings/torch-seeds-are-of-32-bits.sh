#!/usr/bin/env bash
# torch 2.14.1, jax 0.10.2, CPU: torch.manual_seed takes 64 bits, keeps them (initial_seed shows them), and draws by the
# lower 32 alone; jax.random.key as well. So a seed put together as epoch * 2**32 + picture, or a hash whose upper half
# tells runs apart, gives every epoch the same noise, crops and dropout, without a word. numpy and Python's random take
# all bits. Do seeds that differ by 2**32 draw the same?
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"; "$work/venv/bin/pip" install -q 'torch==2.14.1' 'jax==0.10.2' 'numpy==2.4.6'
cat >"$work/show.py" <<'PY'
import random

import jax
import numpy as np
import torch

draws = {
    "torch": lambda seed: torch.rand(4, generator=torch.Generator().manual_seed(seed)).tolist(),
    "jax": lambda seed: jax.random.uniform(jax.random.key(seed), 4).tolist(),
    "numpy": lambda seed: np.random.default_rng(seed).random(4).tolist(),
    "random": lambda seed: random.Random(seed).random(),
}
for name, draw in draws.items():
    print(name, [draw(picture) == draw(epoch * 2**32 + picture) for epoch, picture in ((1, 0), (1, 7), (9, 7))])
PY
shown=$("$work/venv/bin/python" "$work/show.py" 2>/dev/null)
[[ $shown == $'torch [True, True, True]\njax [True, True, True]\nnumpy [False, False, False]\nrandom [False, False, False]' ]] || { echo "it is otherwise now: $shown"; exit 1; }
echo "torch's and jax's seeds are their lower 32 bits"
