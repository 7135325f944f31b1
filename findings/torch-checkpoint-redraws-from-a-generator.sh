#!/usr/bin/env bash
# torch 2.14.1: torch.utils.checkpoint puts back torch's global random numbers before it works a block out anew, and no
# others. A block that draws from a torch.Generator of its own (noise, path dropping, masks) draws new numbers in the
# backward pass: the gradient is that of another mask than the loss. No error, with use_reentrant=True and False. Does
# the gradient fit the mask that the loss had, for dropout and for a mask from a generator?
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"; "$work/venv/bin/pip" install -q 'torch==2.14.1' 'numpy==2.4.6'
cat >"$work/show.py" <<'PY'
import torch
import torch.nn.functional as F
from torch.utils.checkpoint import checkpoint

generator = torch.Generator().manual_seed(0)
blocks = {
    "dropout": lambda x: F.dropout(x, 0.5),
    "own generator": lambda x: x * (torch.rand(x.shape, generator=generator) < 0.5),
}
for name, block in blocks.items():
    for reentrant in (True, False):
        x = torch.ones(1000, requires_grad=True)
        y = checkpoint(block, x, use_reentrant=reentrant)
        y.sum().backward()
        print(f"{name}, reentrant {reentrant}: {torch.equal(y != 0, x.grad != 0)}")
PY
shown=$("$work/venv/bin/python" "$work/show.py" 2>/dev/null)
[[ $shown == $'dropout, reentrant True: True\ndropout, reentrant False: True\nown generator, reentrant True: False\nown generator, reentrant False: False' ]] || { echo "it is otherwise now: $shown"; exit 1; }
echo "a checkpointed block draws anew from a generator of its own, so the gradient is of another mask"
