#!/usr/bin/env bash
# torch 2.14.1: ReduceLROnPlateau with its relative threshold (1e-4) takes a metric below 0 for better while it gets
# slowly worse: best * (1 - threshold) lies on the wrong side of a negative best. A loss that rises from -1 by 5e-5 an
# epoch for 2,000 epochs leaves the rate at 1 and drags 'best' along to -0.90005; the same rise from +1 cuts the rate to
# its floor. A score below 0 that falls under mode='max' does the same.
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"; "$work/venv/bin/pip" install -q 'torch==2.14.1' numpy
cat >"$work/show.py" <<'PY'
import torch


def rate(value, change, mode="min"):
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=1.0)
    scheduler = torch.optim.lr_scheduler.ReduceLROnPlateau(optimizer, mode=mode, patience=5)
    for _ in range(2000):
        scheduler.step(value)
        value += change
    return float(f"{optimizer.param_groups[0]['lr']:.3g}"), round(scheduler.best, 5)


print(1.0, rate(1.0, 5e-5)[0])
print(-1.0, *rate(-1.0, 5e-5))
print("max", -1.0, *rate(-1.0, -5e-5, "max"))
PY
shown=$("$work/venv/bin/python" "$work/show.py" 2>/dev/null)
[[ $shown == $'1.0 1e-08\n-1.0 1.0 -0.90005\nmax -1.0 1.0 -1.09995' ]] || { echo "it is otherwise now: $shown"; exit 1; }
echo "a negative loss that slowly gets worse counts as an improvement; the rate is never cut"
