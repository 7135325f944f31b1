#!/usr/bin/env bash
# timm 1.0.31: ModelEmaV3(use_warmup=True) warms up only if each update(model, step=...) is told the step; without it
# the decay is the full one from the first update on, silently: of 0.9998 after 1,000 updates 82 % of the average is
# still the random initialisation, so the averaged net is at chance. With the step it is 0 %. update_after_step is
# ignored in the same way.
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"; "$work/venv/bin/pip" install -q 'timm==1.0.31' 'torch==2.14.1' 'torchvision==0.29.1' 'numpy==2.4.6'
cat >"$work/show.py" <<'PY'
from timm.utils import ModelEmaV3
from torch import nn

for told in (False, True):
    for options in ({"use_warmup": True}, {"update_after_step": 500}):
        net = nn.Linear(1, 1, bias=False)
        nn.init.ones_(net.weight)
        average = ModelEmaV3(net, decay=0.9998, **options)
        nn.init.zeros_(net.weight)
        for step in range(1000):
            average.update(net, **({"step": step} if told else {}))
        print("step told" if told else "not told", *options, "initial weights left:", f"{average.module.weight.item():.2f}")
PY
shown=$("$work/venv/bin/python" "$work/show.py" 2>/dev/null)
[[ $shown == $'not told use_warmup initial weights left: 0.82\nnot told update_after_step initial weights left: 0.82\nstep told use_warmup initial weights left: 0.00\nstep told update_after_step initial weights left: 0.00' ]] || { echo "it is otherwise now: $shown"; exit 1; }
echo "without the step ModelEmaV3's warm-up doesn't happen: 82 % of the initial weights after 1,000 updates"
