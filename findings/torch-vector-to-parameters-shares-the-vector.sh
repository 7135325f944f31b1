#!/usr/bin/env bash
# torch 2.14.1: vector_to_parameters makes the parameters views of the vector that it is given, so the next optimizer
# step writes into that vector. A start that is kept to go back to (restarts, a walk through the loss landscape,
# federated averaging) is taken along by the first training from it, and going back a second time goes nowhere.
# parameters_to_vector copies.
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"; "$work/venv/bin/pip" install -q 'torch==2.14.1' 'numpy==2.4.6'
cat >"$work/show.py" <<'PY'
import torch
from torch import nn
from torch.nn.utils import parameters_to_vector, vector_to_parameters

torch.manual_seed(0)
net = nn.Linear(3, 1)
start = parameters_to_vector(net.parameters()).detach()
first = start.clone()
optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
for trial in range(3):
    vector_to_parameters(start, net.parameters())
    print("begins at the start:", torch.equal(parameters_to_vector(net.parameters()), first))
    net(torch.ones(1, 3)).sum().backward()
    optimizer.step()
PY
shown=$("$work/venv/bin/python" "$work/show.py" 2>/dev/null)
[[ $shown == $'begins at the start: True\nbegins at the start: False\nbegins at the start: False' ]] || { echo "it is otherwise now: $shown"; exit 1; }
echo "the vector that was kept moves with the training"
