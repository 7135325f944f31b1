#!/usr/bin/env bash
# torch 2.14.1, CPU: a GradScaler halves its scale at each batch whose gradient isn't finite, NaN from a broken picture
# as well as an overflow, and doubles it once in 2,000 good steps. After 40 such batches in a row (a corrupt shard) the
# scale is 6e-8: float16 gradients are 0, and the good batches that follow are stepped and move nothing, until it has
# doubled again and again. After 170 the scale is 0, and the first good batch makes all weights NaN: 0 divided by 0
# comes behind the look for NaN. No word in either case. The scale after 10, 40 and 170 bad batches, and by how much
# 1,000 good ones move a weight:
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"; "$work/venv/bin/pip" install -q 'torch==2.14.1' 'numpy==2.4.6'
cat >"$work/show.py" <<'PY'
import torch
from torch import nn

for bad in (10, 40, 170):
    layer, scaler = nn.Linear(4, 1, bias=False), torch.amp.GradScaler("cpu")
    optimizer = torch.optim.SGD(layer.parameters(), lr=0.1)
    for batch in range(bad + 1000):
        if batch == bad:
            before, scale = layer.weight.detach().clone(), scaler.get_scale()
        optimizer.zero_grad()
        with torch.autocast("cpu", dtype=torch.float16):
            loss = layer(torch.full((8, 4), float("nan") if batch < bad else 0.1)).mean()
        scaler.scale(loss).backward()
        scaler.step(optimizer)
        scaler.update()
    moved = (layer.weight - before).abs().max().item()
    print(f"{bad} bad: scale {scale:.0e}, moved by {moved:.0f}")
PY
shown=$("$work/venv/bin/python" "$work/show.py" 2>/dev/null)
[[ $shown == $'10 bad: scale 6e+01, moved by 10\n40 bad: scale 6e-08, moved by 0\n170 bad: scale 0e+00, moved by nan' ]] || { echo "it is otherwise now: $shown"; exit 1; }
echo "a GradScaler moves nothing in 1,000 batches after 40 bad ones, and makes the weights NaN after 170"
