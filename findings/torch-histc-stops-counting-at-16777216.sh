#!/usr/bin/env bash
# torch 2.14.1, CPU: torch.histc, torch.histogram and torch.bincount with float32 weights count in float32: 20,000,000
# equal values are 16,777,216 in their bin, without a word, and more values never change that. bincount without weights
# is right.
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"; "$work/venv/bin/pip" install -q 'torch==2.14.1' numpy
cat >"$work/show.py" <<'PY'
import torch

n = 20_000_000
x = torch.full((n,), 0.75)
index = torch.zeros(n, dtype=torch.int64)
print(
    int(torch.histc(x, 2, 0, 1)[1]),
    int(torch.histogram(x, bins=2, range=(0.0, 1.0)).hist[1]),
    int(torch.bincount(index, weights=torch.ones(n))[0]),
    int(torch.bincount(index)[0]),
)
PY
shown=$("$work/venv/bin/python" "$work/show.py" 2>/dev/null)
[[ $shown == $'16777216 16777216 16777216 20000000' ]] || { echo "it is otherwise now: $shown"; exit 1; }
echo "20,000,000 values in a bin: 16,777,216"
