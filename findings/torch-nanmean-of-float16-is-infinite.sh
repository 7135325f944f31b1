#!/usr/bin/env bash
# torch 2.14.1, CPU: mean of a float16 tensor adds up in float32 and is right; nanmean of the same values keeps its sum
# in float16 and is infinite once that passes 65,504: 131,072 values around 0.5, less than one picture of 256 x 256 in
# colour. nansum as well. bfloat16 is right.
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"; "$work/venv/bin/pip" install -q 'torch==2.14.1' 'numpy==2.4.6'
cat >"$work/show.py" <<'PY'
import torch

for side in (256, 512):
    x = torch.rand(side, side, generator=torch.Generator().manual_seed(0))
    for kind in (torch.float32, torch.bfloat16, torch.float16):
        y = x.to(kind)
        print(side, kind, f"mean {y.mean():.2f} nanmean {y.nanmean():.2f}")
PY
shown=$("$work/venv/bin/python" "$work/show.py" 2>/dev/null)
[[ $shown == $'256 torch.float32 mean 0.50 nanmean 0.50\n256 torch.bfloat16 mean 0.50 nanmean 0.50\n256 torch.float16 mean 0.50 nanmean 0.50\n512 torch.float32 mean 0.50 nanmean 0.50\n512 torch.bfloat16 mean 0.50 nanmean 0.50\n512 torch.float16 mean 0.50 nanmean inf' ]] || { echo "it is otherwise now: $shown"; exit 1; }
echo "nanmean of 262,144 float16 values around 0.5 is inf, mean 0.50"
