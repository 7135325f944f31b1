#!/usr/bin/env bash
# torch 2.14.1: load_state_dict(assign=True) half unties tied weights: afterwards the module has two parameters that
# share one memory. parameters() yields both, so an optimizer updates that memory twice, with a momentum for each part
# of the gradient: AdamW's first step of lr 0.1 moves every weight by 0.2. Without assign there is one parameter: 0.1.
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"; "$work/venv/bin/pip" install -q 'torch==2.14.1' numpy
cat >"$work/show.py" <<'PY'
import torch
from torch import nn

class Tied(nn.Module):
    def __init__(self):
        super().__init__()
        self.embed = nn.Embedding(5, 3)
        self.head = nn.Linear(3, 5, bias=False)
        self.head.weight = self.embed.weight

for assign in (False, True):
    net = Tied()
    net.load_state_dict(Tied().state_dict(), assign=assign)
    shared = net.embed.weight.data_ptr() == net.head.weight.data_ptr()
    before = net.head.weight.detach().clone()
    optimizer = torch.optim.AdamW(net.parameters(), lr=0.1, weight_decay=0.0)
    net.head(net.embed(torch.arange(5))).square().sum().backward()
    optimizer.step()
    moved = (net.head.weight.detach() - before).abs().max().item()
    print(len(list(net.parameters())), shared, round(moved, 3))
PY
shown=$("$work/venv/bin/python" "$work/show.py" 2>/dev/null)
[[ $shown == $'1 True 0.1\n2 True 0.2' ]] || { echo "it is otherwise now: $shown"; exit 1; }
echo "assign=True: two parameters over one memory, each step taken twice"
