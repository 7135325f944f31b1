#!/usr/bin/env bash
# torch 2.14.1, timm 1.0.31: under autocast on the CPU cross_entropy is computed in float32, but log_softmax, softmax,
# logsumexp, norm, sum and layer_norm aren't (on CUDA they are): they stay in bfloat16. So a loss that is put together
# from log_softmax, as in timm's LabelSmoothingCrossEntropy, is a number of bfloat16: between 4 and 8, as in a fresh net
# of 1,000 classes, in steps of 1/32, where nn.CrossEntropyLoss(label_smoothing=0.1) is in float32. The curve of such a
# loss has stairs: 17 values in 50 steps.
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"; "$work/venv/bin/pip" install -q 'torch==2.14.1' 'torchvision==0.29.1' 'timm==1.0.31' 'numpy==2.4.6'
cat >"$work/show.py" <<'PY'
import torch
import torch.nn.functional as F
from timm.loss import LabelSmoothingCrossEntropy
from torch import nn

torch.manual_seed(0)
net, x, y = nn.Linear(16, 1000), torch.randn(64, 16), torch.randint(1000, (64,))
losses = {"timm": LabelSmoothingCrossEntropy(0.1), "torch": nn.CrossEntropyLoss(label_smoothing=0.1)}
seen = {name: set() for name in losses}
optimizer = torch.optim.SGD(net.parameters(), lr=0.05)
for _ in range(50):
    with torch.autocast("cpu", torch.bfloat16):
        scores = net(x)
        for name, loss in losses.items():
            seen[name].add(loss(scores, y).item())
        given = loss(scores, y)
    optimizer.zero_grad()
    given.backward()
    optimizer.step()
for name, values in seen.items():
    print(name, len(values), "losses in 50 steps, in steps of 1/32:", all(value * 32 == round(value * 32) for value in values))
with torch.autocast("cpu", torch.bfloat16):
    scores = net(x)
    rules = {
        "cross_entropy": F.cross_entropy(scores, y),
        "log_softmax": F.log_softmax(scores, 1),
        "softmax": F.softmax(scores, 1),
        "logsumexp": scores.logsumexp(1),
        "norm": scores.norm(),
        "sum": scores.sum(),
        "layer_norm": F.layer_norm(scores, (1000,)),
    }
print(*(f"{name} {str(value.dtype)[6:]}" for name, value in rules.items()))
PY
shown=$("$work/venv/bin/python" "$work/show.py" 2>/dev/null)
[[ $shown == $'timm 17 losses in 50 steps, in steps of 1/32: True\ntorch 50 losses in 50 steps, in steps of 1/32: False\ncross_entropy float32 log_softmax bfloat16 softmax bfloat16 logsumexp bfloat16 norm bfloat16 sum bfloat16 layer_norm bfloat16' ]] || { echo "it is otherwise now: $shown"; exit 1; }
echo "timm's smoothed loss under CPU autocast comes in steps of 1/32"
