#!/usr/bin/env bash
# torch 2.14.1: quantize_dynamic takes one range for the inputs of a layer over the whole batch. So the answer for a
# picture depends on the pictures beside it: one that is 100 times larger (not normalised, a broken file) coarsens all
# others, and a third or more get another class here. An evaluation in batches isn't what single requests get. For 64
# pictures in one batch, without and with such a one: how far the logits are from those of each picture alone (rounded),
# and how many have another class:
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"; "$work/venv/bin/pip" install -q 'torch==2.14.1' 'numpy==2.4.6'
cat >"$work/show.py" <<'PY'
import warnings

import torch
from torch import nn
from torch.ao.quantization import quantize_dynamic

warnings.simplefilter("ignore")
torch.manual_seed(0)
net = nn.Sequential(nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 10)).eval()
quantized = quantize_dynamic(net, {nn.Linear}, dtype=torch.qint8)
pictures, odd = torch.randn(64, 64), 100 * torch.randn(1, 64)
for name, run in (("float", net), ("quantized", quantized)):
    with torch.no_grad():
        alone = torch.cat([run(picture[None]) for picture in pictures])
        for company, got in (("batch", run(pictures)), ("odd one", run(torch.cat([pictures, odd]))[:64])):
            moved, other = (got - alone).abs().max().item(), (got.argmax(1) != alone.argmax(1)).sum().item()
            print(f"{name}, {company}: {moved:.0f}, {'many' if other > 20 else 'few' if other < 8 else other}")
PY
shown=$("$work/venv/bin/python" "$work/show.py" 2>/dev/null)
[[ $shown == $'float, batch: 0, few\nfloat, odd one: 0, few\nquantized, batch: 0, few\nquantized, odd one: 1, many' ]] || { echo "it is otherwise now: $shown"; exit 1; }
echo "a dynamically quantized net answers by the other pictures of the batch"
