#!/usr/bin/env bash
# torch 2.14.1: of a batch of features (N, F), as Flatten gives it, nn.BatchNorm1d takes N for the pictures, but
# nn.Dropout1d and nn.InstanceNorm1d take the same tensor for one picture of N channels: Dropout1d(0.5) zeroes half of
# the pictures whole, and doubles the others; InstanceNorm1d normalises each picture over its features, as layer norm
# would (a warning if F is given and isn't N, none if they are equal). MaxPool1d pools features of (N, F) as well. In
# eval() the dropout doesn't show.
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"; "$work/venv/bin/pip" install -q 'torch==2.14.1' 'numpy==2.4.6'
cat >"$work/show.py" <<'PY'
import torch
from torch import nn

torch.manual_seed(0)
features = torch.rand(1000, 16) + 1
dropped = nn.Dropout1d(0.5)(features) == 0
print("pictures all zero", round(dropped.all(1).float().mean().item(), 1), "partly", (dropped.any(1) & ~dropped.all(1)).sum().item())
dropped = nn.Dropout(0.5)(features) == 0
print("Dropout: all zero", round(dropped.all(1).float().mean().item(), 1), "partly", round((dropped.any(1) & ~dropped.all(1)).float().mean().item(), 1))
for kind in (nn.BatchNorm1d(16), nn.InstanceNorm1d(16), nn.LayerNorm(16)):
    shown = kind(features)
    over = [name for name, axis in (("pictures", 0), ("features", 1)) if shown.mean(axis).abs().max() < 1e-4]
    print(type(kind).__name__, "mean 0 over", *over)
PY
shown=$("$work/venv/bin/python" "$work/show.py" 2>/dev/null)
[[ $shown == $'pictures all zero 0.5 partly 0\nDropout: all zero 0.0 partly 1.0\nBatchNorm1d mean 0 over pictures\nInstanceNorm1d mean 0 over features\nLayerNorm mean 0 over features' ]] || { echo "it is otherwise now: $shown"; exit 1; }
echo "Dropout1d on a batch of features drops half of the pictures"
