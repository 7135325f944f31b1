#!/usr/bin/env bash
# torch 2.14.1: the eps against division by zero is itself zero in float16 (1e-8, 1e-12). Adam, AdamW, RMSprop and
# Adagrad make NaN of a float16 weight whose gradient is zero at their first step (a dead unit, a class that isn't in
# the batch, the border of a kernel), fused=True doesn't; F.normalize and cosine_similarity make NaN of a zero vector
# (features of a picture without any activity). bfloat16 is right in all of them. Are the results finite?
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"; "$work/venv/bin/pip" install -q 'torch==2.14.1' 'numpy==2.4.6'
cat >"$work/show.py" <<'PY'
import torch
import torch.nn.functional as F
from torch import nn

for kind in (torch.float16, torch.bfloat16):
    told = []
    for make, options in (
        (torch.optim.Adam, {}),
        (torch.optim.AdamW, {}),
        (torch.optim.RMSprop, {}),
        (torch.optim.Adagrad, {}),
        (torch.optim.Adam, {"fused": True}),
    ):
        weight = nn.Parameter(torch.ones(2, dtype=kind))
        optimizer = make([weight], lr=0.001, **options)
        weight.grad = torch.tensor([0.0, 1.0], dtype=kind)
        optimizer.step()
        told.append(f"{make.__name__}{' fused' if options else ''} {weight.isfinite().all().item()}")
    zero, one = torch.zeros(1, 8, dtype=kind), torch.ones(1, 8, dtype=kind)
    told.append(f"normalize {F.normalize(zero).isfinite().all().item()}")
    told.append(f"cosine_similarity {F.cosine_similarity(zero, one).isfinite().all().item()}")
    print(kind, *told)
PY
shown=$("$work/venv/bin/python" "$work/show.py" 2>/dev/null)
[[ $shown == $'torch.float16 Adam False AdamW False RMSprop False Adagrad False Adam fused True normalize False cosine_similarity False\ntorch.bfloat16 Adam True AdamW True RMSprop True Adagrad True Adam fused True normalize True cosine_similarity True' ]] || { echo "it is otherwise now: $shown"; exit 1; }
echo "Adam makes NaN of a float16 weight without gradient"
