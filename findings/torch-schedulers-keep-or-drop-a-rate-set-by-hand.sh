#!/usr/bin/env bash
# torch 2.14.1: a rate written into optimizer.param_groups in mid-run lives on under nine of thirteen schedulers, which
# multiply the rate that they find (StepLR, CosineAnnealingLR, PolynomialLR and SequentialLR of such among them), and is
# gone at the next scheduler.step() under the four that compute it from base_lrs: LambdaLR, OneCycleLR, CyclicLR, and
# CosineAnnealingWarmRestarts, unlike its sister without restarts.
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"; "$work/venv/bin/pip" install -q 'torch==2.14.1' numpy
cat >"$work/show.py" <<'PY'
import torch
from torch.optim import lr_scheduler as s

made = {
    "StepLR": lambda o: s.StepLR(o, 5, 0.5),
    "MultiStepLR": lambda o: s.MultiStepLR(o, [5], 0.5),
    "ExponentialLR": lambda o: s.ExponentialLR(o, 0.9),
    "CosineAnnealingLR": lambda o: s.CosineAnnealingLR(o, 20),
    "LinearLR": lambda o: s.LinearLR(o, 0.1, 1.0, 10),
    "ConstantLR": lambda o: s.ConstantLR(o, 0.5, 5),
    "PolynomialLR": lambda o: s.PolynomialLR(o, 20),
    "MultiplicativeLR": lambda o: s.MultiplicativeLR(o, lambda step: 0.9),
    "SequentialLR": lambda o: s.SequentialLR(o, [s.LinearLR(o, 0.1, 1.0, 3), s.CosineAnnealingLR(o, 17)], [3]),
    "LambdaLR": lambda o: s.LambdaLR(o, lambda step: 0.9**step),
    "CosineAnnealingWarmRestarts": lambda o: s.CosineAnnealingWarmRestarts(o, 7),
    "OneCycleLR": lambda o: s.OneCycleLR(o, 1.0, total_steps=30),
    "CyclicLR": lambda o: s.CyclicLR(o, 0.1, 1.0, step_size_up=5),
}

def rate_after(make, by_hand):
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=1.0)
    scheduler = make(optimizer)
    for step in range(12):
        optimizer.step()
        scheduler.step()
        if step == 7:
            optimizer.param_groups[0]["lr"] *= by_hand
    return optimizer.param_groups[0]["lr"]

kept = {name: round(rate_after(make, 0.1) / rate_after(make, 1.0), 3) for name, make in made.items()}
print("kept", *(name for name, share in kept.items() if share == 0.1))
print("gone", *(name for name, share in kept.items() if share == 1.0))
PY
shown=$("$work/venv/bin/python" "$work/show.py" 2>/dev/null)
kept="StepLR MultiStepLR ExponentialLR CosineAnnealingLR LinearLR ConstantLR PolynomialLR MultiplicativeLR SequentialLR"
gone="LambdaLR CosineAnnealingWarmRestarts OneCycleLR CyclicLR"
[[ $shown == "kept $kept"$'\n'"gone $gone" ]] || { echo "it is otherwise now: $shown"; exit 1; }
echo "$shown"
