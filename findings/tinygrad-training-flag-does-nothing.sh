#!/usr/bin/env bash
# tinygrad 0.14.0: `Tensor.training = True`, the way of the older versions and of most code written for them, sets an
# attribute that nothing reads, without a word: the flag is `Context(TRAINING=1)` now. Such a training goes on as in
# evaluation: dropout drops nothing, batch norm normalises by its first running values, 0 and 1, and never moves them.
# Shown, by the old and the new way: zeros of 1,000 dropped values, spread of a batch norm's answers to a batch of
# spread 5, and its running variance:
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"; "$work/venv/bin/pip" install -q 'tinygrad==0.14.0' 'numpy==2.4.6'
cat >"$work/show.py" <<'PY'
import numpy as np
from tinygrad import Tensor, nn
from tinygrad.helpers import Context

batch = (np.random.default_rng(0).normal(size=(64, 1, 1, 1)) * 5).astype(np.float32)


def train():
    norm = nn.BatchNorm(1)
    dropped = (Tensor.ones(1000).contiguous().dropout(0.5).numpy() == 0).sum()
    out = norm(Tensor(batch)).numpy().std()
    return f"dropped {dropped > 400}, spread {out:.1f}, variance moved {norm.running_var.numpy()[0] > 2}"


Tensor.training = True
print("Tensor.training:", train())
with Context(TRAINING=1):
    print("Context:", train())
PY
shown=$(DEV=PYTHON "$work/venv/bin/python" "$work/show.py")
[[ $shown == $'Tensor.training: dropped False, spread 4.6, variance moved False\nContext: dropped True, spread 1.0, variance moved True' ]] || { echo "it is otherwise now: $shown"; exit 1; }
echo "tinygrad's Tensor.training does nothing"
