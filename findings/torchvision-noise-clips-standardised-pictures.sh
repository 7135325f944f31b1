#!/usr/bin/env bash
# torchvision 0.29.1: v2.GaussianNoise cuts its result to 0..1. Behind v2.Normalize, where floats are wanted and noise
# has a spread that means something, it sets all that is darker than the mean to 0 and all that is bright to 1: a noise
# of 1e-6 changes two thirds of the values, by up to 4, in training alone, so the net is trained on other pictures than
# it is tested on. clip=False leaves them.
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"; "$work/venv/bin/pip" install -q 'torchvision==0.29.1' 'torch==2.14.1' 'numpy==2.4.6'
cat >"$work/show.py" <<'PY'
import torch
from torchvision.transforms import v2

picture = torch.randn(3, 64, 64, generator=torch.Generator().manual_seed(0))
for options in ({}, {"clip": False}):
    moved = (v2.GaussianNoise(sigma=1e-6, **options)(picture) - picture).abs()
    print(options, f"changed by more than 0.001: {(moved > 0.001).float().mean():.2f}, most {moved.max():.1f}")
PY
shown=$("$work/venv/bin/python" "$work/show.py" 2>/dev/null)
[[ $shown == $'{} changed by more than 0.001: 0.66, most 4.3\n{\'clip\': False} changed by more than 0.001: 0.00, most 0.0' ]] || { echo "it is otherwise now: $shown"; exit 1; }
echo "v2.GaussianNoise clips standardised pictures to 0..1"
