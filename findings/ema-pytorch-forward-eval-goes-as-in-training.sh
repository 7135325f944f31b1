#!/usr/bin/env bash
# ema-pytorch 0.8.3: EMA(net) of a net in train() is in train(), and so are its answers: by `ema(x)`, the way of its
# README, and by `ema.forward_eval(x)`, whose comment in the source says "no grad + eval". Dropout drops, batch norm
# goes by the batch, and each look moves the average's running means, so a validation in mid-training is too bad and
# changes what is saved. net.eval() doesn't reach it; ema.eval() does, until ema.train(). Differences between two
# answers to one batch, how far the running mean moved, and the same behind ema.eval():
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"; "$work/venv/bin/pip" install -q 'ema-pytorch==0.8.3' 'torch==2.14.1' 'numpy==2.4.6'
cat >"$work/show.py" <<'PY'
import torch
from ema_pytorch import EMA
from torch import nn

torch.manual_seed(0)
net = nn.Sequential(nn.Linear(8, 16), nn.BatchNorm1d(16), nn.ReLU(), nn.Dropout(0.5), nn.Linear(16, 4))
ema = EMA(net, beta=0.99)
x = torch.randn(64, 8) + 3
net(x)
ema.update()
net.eval()
for name in ("forward_eval", "__call__", "forward_eval"):
    running = ema.ema_model[1].running_mean
    before = running.clone()
    with torch.no_grad():
        first, second = (getattr(ema, name)(x) for _ in range(2))
    same, moved = torch.equal(first, second), not torch.equal(before, running)
    print(name, "same answers", same, "moved", moved, "training", ema.ema_model.training)
    if name == "__call__":
        ema.eval()
PY
shown=$("$work/venv/bin/python" "$work/show.py")
[[ $shown == $'forward_eval same answers False moved True training True\n__call__ same answers False moved True training True\nforward_eval same answers True moved False training False' ]] || { echo "it is otherwise now: $shown"; exit 1; }
echo "ema-pytorch's forward_eval goes as in training"
