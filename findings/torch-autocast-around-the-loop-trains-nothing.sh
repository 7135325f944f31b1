#!/usr/bin/env bash
# torch 2.14.1, CPU, bfloat16: with one autocast context around the whole training loop instead of around each forward pass,
# every step of an optimizer moves the float32 weights, and the loss never changes by a bit: autocast keeps the bfloat16
# copies of the first step until the context is left. No error, no warning. Shown: the largest change of a weight is above
# 0.5 in both; distinct losses of 50 steps on one batch: 50 with a context a step, 1 with one around the loop.
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"; "$work/venv/bin/pip" install -q 'torch==2.14.1' numpy
cat >"$work/show.py" <<'PY'
import contextlib
import torch
from torch import nn


def train(around_the_loop):
    torch.manual_seed(0)
    net = nn.Sequential(nn.Linear(20, 64), nn.ReLU(), nn.Linear(64, 4))
    optimizer = torch.optim.SGD(net.parameters(), lr=0.1, momentum=0.9)
    x = torch.randn(128, 20)
    y = x[:, :4].argmax(1)
    first = net[0].weight.detach().clone()
    context = lambda wanted: torch.autocast("cpu", torch.bfloat16) if wanted else contextlib.nullcontext()
    losses = set()
    with context(around_the_loop):
        for _ in range(50):
            optimizer.zero_grad()
            with context(not around_the_loop):
                loss = nn.functional.cross_entropy(net(x), y)
            loss.backward()
            optimizer.step()
            losses.add(loss.item())
    print(len(losses), bool((net[0].weight - first).abs().max() > 0.5))


train(False)
train(True)
PY
shown=$("$work/venv/bin/python" "$work/show.py" 2>/dev/null)
[[ $shown == $'50 True\n1 True' ]] || { echo "it is otherwise now: $shown"; exit 1; }
echo "one autocast context around the loop: the weights move, the loss stays that of the first step"
