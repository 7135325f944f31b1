#!/usr/bin/env bash
# torch 2.14.1: clip_grad_norm_ of gradients with one infinite value makes that one NaN and all others 0, so the step
# breaks one weight and trains none; finite gradients whose norm overflows (1e20 each) all become 0: a step of nothing
# but momentum and decay, without a word. One NaN makes all NaN. clip_grad_value_ keeps the others and cuts the infinite
# one. error_if_nonfinite=True raises.
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"; "$work/venv/bin/pip" install -q 'torch==2.14.1' 'numpy==2.4.6'
cat >"$work/show.py" <<'PY'
import torch
from torch import nn

for name, clip in (("norm", nn.utils.clip_grad_norm_), ("value", nn.utils.clip_grad_value_)):
    for values in ([3.0, 4.0, 0.0], [3.0, 4.0, float("inf")], [1e20, 2e20, 0.0], [3.0, 4.0, float("nan")]):
        weight = nn.Parameter(torch.zeros(3))
        weight.grad = torch.tensor(values)
        clip([weight], 1.0)
        print(name, values, "->", *(f"{value:.1f}" for value in weight.grad.tolist()))
PY
shown=$("$work/venv/bin/python" "$work/show.py" 2>/dev/null)
[[ $shown == $'norm [3.0, 4.0, 0.0] -> 0.6 0.8 0.0\nnorm [3.0, 4.0, inf] -> 0.0 0.0 nan\nnorm [1e+20, 2e+20, 0.0] -> 0.0 0.0 0.0\nnorm [3.0, 4.0, nan] -> nan nan nan\nvalue [3.0, 4.0, 0.0] -> 1.0 1.0 0.0\nvalue [3.0, 4.0, inf] -> 1.0 1.0 1.0\nvalue [1e+20, 2e+20, 0.0] -> 1.0 1.0 0.0\nvalue [3.0, 4.0, nan] -> 1.0 1.0 nan' ]] || { echo "it is otherwise now: $shown"; exit 1; }
echo "clipping one infinite gradient makes it NaN and all others 0"
