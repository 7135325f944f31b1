#!/usr/bin/env bash
# torch 2.14.1: the direction of a zero vector (features behind a ReLU that are all 0: a picture that is dead) is 0 from
# F.normalize, and its gradient one could guess to be 0, as that of the norm there is, or NaN. It is the gradient behind
# it divided by eps: 1e12 times. So one dead picture of a batch is the whole step: clip_grad_norm_(1.0) leaves the weights
# that made the others nothing. cosine_similarity divides by its eps of 1e-8. One feature made by a scale for each of four
# pictures, the last one dead; the gradients of the four scales, clipped:
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"; "$work/venv/bin/pip" install -q 'torch==2.14.1' 'numpy==2.4.6'
cat >"$work/show.py" <<'PY'
import torch
from torch import nn
from torch.nn.functional import cosine_similarity, normalize

goal = torch.tensor([[0.6, 0.8]])
zero = torch.zeros(1, 2, requires_grad=True)
zero.norm().backward()
print("norm", zero.grad.tolist())
for name, direction in {
    "normalize": lambda x: (normalize(x) * goal).sum(),
    "cosine_similarity": lambda x: cosine_similarity(x, goal).sum(),
}.items():
    features = torch.tensor([[1.0, 0.0], [0.0, 1.0], [1.0, 1.0], [0.0, 0.0]], requires_grad=True)
    direction(features).backward()
    print(name, "live", f"{features.grad[:3].abs().max():.0e}", "dead", f"{features.grad[3].norm():.0e}", end=" ")
    nn.utils.clip_grad_norm_([features], 1.0)
    print("clipped to 1: live", f"{features.grad[:3].abs().max():.0e}", "dead", f"{features.grad[3].norm():.0e}")
PY
shown=$(cd "$work" && "$work/venv/bin/python" "$work/show.py" 2>/dev/null)
[[ $shown == $'norm [[0.0, 0.0]]\nnormalize live 8e-01 dead 1e+12 clipped to 1: live 8e-13 dead 1e+00\ncosine_similarity live 8e-01 dead 1e+08 clipped to 1: live 8e-09 dead 1e+00' ]] || { echo "it is otherwise now: $shown"; exit 1; }
echo "one dead picture in front of F.normalize has a gradient of 1e12"
