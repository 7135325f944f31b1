#!/usr/bin/env bash
# timm 1.0.31: PlateauLRScheduler's mode is "max" by default, and create_scheduler_v2's plateau_mode too, where torch's
# ReduceLROnPlateau has "min": fed a validation loss that falls in every epoch it takes that for getting worse and cuts
# the rate tenfold, again and again; fed one that rises it never cuts. No warning.
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"; "$work/venv/bin/pip" install -q 'timm==1.0.31' 'torch==2.14.1' 'torchvision==0.29.1' 'numpy==2.4.6'
cat >"$work/show.py" <<'PY'
import torch
from timm.scheduler import PlateauLRScheduler, create_scheduler_v2
from torch import nn


def rates(make, losses):
    optimizer = torch.optim.SGD([nn.Parameter(torch.zeros(1))], lr=1.0)
    scheduler = make(optimizer)
    for epoch, loss in enumerate(losses, 1):
        scheduler.step(epoch, loss)
    return f"{optimizer.param_groups[0]['lr']:.0e}"


falling = [2.0 * 0.8**epoch for epoch in range(40)]
for name, make in (
    ("PlateauLRScheduler", lambda o: PlateauLRScheduler(o, patience_t=5)),
    ("create_scheduler_v2", lambda o: create_scheduler_v2(o, "plateau", num_epochs=40, patience_epochs=5, warmup_epochs=0)[0]),
    ("mode min", lambda o: PlateauLRScheduler(o, patience_t=5, mode="min")),
):
    print(name, "falling", rates(make, falling), "rising", rates(make, falling[::-1]))
PY
shown=$("$work/venv/bin/python" "$work/show.py" 2>/dev/null)
[[ $shown == $'PlateauLRScheduler falling 1e-06 rising 1e+00\ncreate_scheduler_v2 falling 1e-06 rising 1e+00\nmode min falling 1e+00 rising 1e-06' ]] || { echo "it is otherwise now: $shown"; exit 1; }
echo "timm's plateau schedule cuts the rate while the loss falls"
