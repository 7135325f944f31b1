#!/usr/bin/env bash
# torchvision 0.29.1: torchvision.ops.MLP(dropout=0.5), of which a classifier's head is easily made, puts a dropout
# behind its last layer too: in training half of the logits are 0 and the others doubled, so the training loss of a net
# that answers rightly stays high; in eval() it doesn't show. How often the true logit is 0, and the loss of logits of
# 20 for the true class of ten and 0 for the others, in training and in eval():
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"; "$work/venv/bin/pip" install -q 'torchvision==0.29.1' 'torch==2.14.1' 'numpy==2.4.6'
cat >"$work/show.py" <<'PY'
import torch
import torch.nn.functional as F
from torch import nn
from torchvision.ops import MLP

torch.manual_seed(0)
head = MLP(10, [32, 10], dropout=0.5)
last = [layer for layer in head if isinstance(layer, nn.Linear)][-1]
nn.init.zeros_(last.weight)
last.bias.data = torch.tensor([20.0] + 9 * [0.0])
labels = torch.zeros(10_000, dtype=torch.long)
for mode in (True, False):
    logits = head.train(mode)(torch.randn(10_000, 10))
    print(f"training {mode}: true logit 0 in {(logits[:, 0] == 0).float().mean():.1f}, loss {F.cross_entropy(logits, labels):.0f}")
PY
shown=$("$work/venv/bin/python" "$work/show.py" 2>/dev/null)
[[ $shown == $'training True: true logit 0 in 0.5, loss 1\ntraining False: true logit 0 in 0.0, loss 0' ]] || { echo "it is otherwise now: $shown"; exit 1; }
echo "torchvision's MLP drops half of its outputs"
