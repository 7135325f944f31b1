#!/usr/bin/env bash
# torch 2.14.1: OneCycleLR writes beta1 of Adam and AdamW too (cycle_momentum is on by default): it is 0.95 at the
# beginning and the end and 0.85 at the rate's top, whatever was asked for, from the moment the scheduler is made. Where
# betas=(0.5, 0.999) or 0.9 were meant, none of the steps has it.
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"; "$work/venv/bin/pip" install -q 'torch==2.14.1' 'numpy==2.4.6'
cat >"$work/show.py" <<'PY'
import torch
from torch import nn

for name, betas in (("Adam", (0.9, 0.999)), ("AdamW", (0.5, 0.999))):
    optimizer = getattr(torch.optim, name)([nn.Parameter(torch.zeros(1))], lr=1e-3, betas=betas)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 1e-3, total_steps=101)
    seen = []
    for _ in range(101):
        seen.append(round(optimizer.param_groups[0]["betas"][0], 3))
        optimizer.step()
        if len(seen) < 101:
            schedule.step()
    print(name, betas[0], "first", seen[0], "lowest", min(seen), "last", seen[-1], "asked for in", seen.count(betas[0]), "of", len(seen))
PY
shown=$("$work/venv/bin/python" "$work/show.py" 2>/dev/null)
[[ $shown == $'Adam 0.9 first 0.95 lowest 0.85 last 0.95 asked for in 0 of 101\nAdamW 0.5 first 0.95 lowest 0.85 last 0.95 asked for in 0 of 101' ]] || { echo "it is otherwise now: $shown"; exit 1; }
echo "OneCycleLR runs beta1 from 0.95 to 0.85 and back, whatever Adam was given"
