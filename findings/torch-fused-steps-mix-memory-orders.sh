#!/usr/bin/env bash
# torch 2.14.1, CPU: the fused kernels of SGD, Adam, AdamW and Adagrad go through memory, whatever the strides are.
# Where a convolution's weight is channels_last and its gradient isn't (set by hand: averaged over clients,
# sharpness-aware steps, views of one flat vector), each weight takes another one's step. The same with moments:
# load_state_dict keeps the order in which they were saved, so a run that goes on with
# net.to(memory_format=channels_last) takes Adam's averages of other weights. No error; foreach=True and the plain loop
# are right. Same steps as the plain loop's?
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"; "$work/venv/bin/pip" install -q 'torch==2.14.1' 'numpy==2.4.6'
cat >"$work/show.py" <<'PY'
from functools import partial

import torch
from torch import nn

PLAIN, LAST = torch.contiguous_format, torch.channels_last


def trained(make, fused, order, gradients, moments=None):
    draws = torch.Generator().manual_seed(0)
    weight = nn.Parameter(torch.randn(4, 3, 3, 3, generator=draws).contiguous(memory_format=order))
    optimizer = make([weight], lr=0.1, fused=fused)
    for step in range(6):
        if step == 3 and moments:  # the checkpoint of a run in the other order
            saved = optimizer.state_dict()
            for value in saved["state"][0].values():
                if value.ndim == 4:
                    value.data = value.contiguous(memory_format=moments)
            optimizer = make([weight], lr=0.1, fused=fused)
            optimizer.load_state_dict(saved)
        weight.grad = torch.randn(4, 3, 3, 3, generator=draws).contiguous(memory_format=gradients)
        optimizer.step()
    return weight.detach()


rules = {"SGD": partial(torch.optim.SGD, momentum=0.9)}
rules |= {name: getattr(torch.optim, name) for name in ("Adam", "AdamW", "Adagrad")}
for name, make in rules.items():
    same = [
        torch.allclose(trained(make, True, *orders), trained(make, False, *orders), atol=1e-5)
        for orders in ((PLAIN, PLAIN), (LAST, LAST), (LAST, PLAIN), (LAST, LAST, PLAIN))
    ]
    print(name, *same)
PY
shown=$("$work/venv/bin/python" "$work/show.py" 2>/dev/null)
[[ $shown == $'SGD True True False False\nAdam True True False False\nAdamW True True False False\nAdagrad True True False False' ]] || { echo "it is otherwise now: $shown"; exit 1; }
echo "a fused step of a channels_last weight with a gradient or moments in plain order mixes up the weights"
