#!/usr/bin/env bash
# torch 2.14.1: the weights that nn.MultiheadAttention returns in training are those behind its dropout: with dropout=0.5
# most rows don't add up to 1 and single weights are above 1 before they are averaged over the heads. An entropy or a map
# drawn from them in a training step is of no distribution. In eval() rows add up to 1.
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"; "$work/venv/bin/pip" install -q 'torch==2.14.1' numpy
cat >"$work/show.py" <<'PY'
import torch
from torch import nn

torch.manual_seed(0)
attention = nn.MultiheadAttention(8, 2, dropout=0.5, batch_first=True)
x = 4 * torch.randn(1, 32, 8)
for name in ("train", "eval"):
    weights = getattr(attention, name)()(x, x, x, average_attn_weights=False)[1]
    rows = (weights.sum(-1) - 1).abs() < 1e-5
    print(f"{name}: {int(rows.sum())} of {rows.numel()} rows add up to 1, largest weight above 1: {weights.max().item() > 1.001}")
PY
shown=$("$work/venv/bin/python" "$work/show.py" 2>/dev/null)
[[ $shown == $'train: 0 of 64 rows add up to 1, largest weight above 1: True\neval: 64 of 64 rows add up to 1, largest weight above 1: False' ]] || { echo "it is otherwise now: $shown"; exit 1; }
echo "attention weights returned in training have the dropout in them"
