#!/usr/bin/env bash
# torch 2.14.1: a batch norm inside torch.utils.checkpoint.checkpoint sees each batch twice, in the forward pass and
# again as it is worked out anew in the backward pass, and moves its running mean both times: momentum 0.1 works like
# 0.19, and num_batches_tracked is double. With use_reentrant=True and False alike. momentum=0.051 is 0.1 again. Running
# mean after one batch of mean 1:
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"; "$work/venv/bin/pip" install -q 'torch==2.14.1' 'numpy==2.4.6'
cat >"$work/show.py" <<'PY'
import torch
from torch import nn
from torch.utils.checkpoint import checkpoint

x = torch.randn(8, 2, 4, 4, generator=torch.Generator().manual_seed(0))
x = x - x.mean() + 1
for name, momentum, run in (
    ("plain", 0.1, lambda norm, given: norm(given)),
    ("checkpoint", 0.1, lambda norm, given: checkpoint(norm, given, use_reentrant=False)),
    ("checkpoint", 0.051, lambda norm, given: checkpoint(norm, given, use_reentrant=False)),
    ("reentrant", 0.1, lambda norm, given: checkpoint(norm, given, use_reentrant=True)),
):
    norm = nn.BatchNorm2d(2, momentum=momentum)
    run(norm, x.clone().requires_grad_()).square().sum().backward()
    print(name, momentum, f"mean {norm.running_mean.mean():.2f} batches {norm.num_batches_tracked.item()}")
PY
shown=$("$work/venv/bin/python" "$work/show.py" 2>/dev/null)
[[ $shown == $'plain 0.1 mean 0.10 batches 1\ncheckpoint 0.1 mean 0.19 batches 2\ncheckpoint 0.051 mean 0.10 batches 2\nreentrant 0.1 mean 0.19 batches 2' ]] || { echo "it is otherwise now: $shown"; exit 1; }
echo "batch norm in a checkpointed block moves twice for each batch"
