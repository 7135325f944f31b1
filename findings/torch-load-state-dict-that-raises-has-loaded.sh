#!/usr/bin/env bash
# torch 2.14.1: load_state_dict raises for a head of another size, and has by then copied all that does fit: weights and
# batch norm's statistics. Whoever catches the error to train from scratch trains from the file's weights.
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"; "$work/venv/bin/pip" install -q 'torch==2.14.1' 'numpy==2.4.6'
cat >"$work/show.py" <<'PY'
import torch
from torch import nn


def net(classes):
    return nn.Sequential(nn.Linear(4, 8), nn.BatchNorm1d(8), nn.Linear(8, classes))


torch.manual_seed(0)
file = net(10).state_dict()
file["1.running_mean"] += 5
fresh = net(7)
try:
    fresh.load_state_dict(file)
except RuntimeError:
    print("raised")
for name, now in fresh.state_dict().items():
    print(name, "of the file" if now.shape == file[name].shape and torch.equal(now, file[name]) else "own")
PY
shown=$("$work/venv/bin/python" "$work/show.py" 2>/dev/null)
[[ $shown == $'raised\n0.weight of the file\n0.bias of the file\n1.weight of the file\n1.bias of the file\n1.running_mean of the file\n1.running_var of the file\n1.num_batches_tracked of the file\n2.weight own\n2.bias own' ]] || { echo "it is otherwise now: $shown"; exit 1; }
echo "the load that raised has loaded all that fits"
