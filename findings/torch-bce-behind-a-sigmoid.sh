#!/usr/bin/env bash
# torch 2.14.1: nn.BCELoss behind nn.Sigmoid, float32: a picture that is no 1 and got a logit above about 17 has loss
# 100 (16 just below) and gradient exactly 0, since the sigmoid is 1.0: it is never mended. The same mistake the other
# way round keeps gradient 1 up to about 27 and its true loss. So a net that starts too sure stays wrong on one side
# only; BCEWithLogitsLoss has gradient 1 on both.
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"; "$work/venv/bin/pip" install -q 'torch==2.14.1' 'numpy==2.4.6'
cat >"$work/show.py" <<'PY'
import torch
import torch.nn.functional as F

for label in (1.0, 0.0):
    for size in (10, 15, 18, 40):
        logit = torch.tensor([-size if label else size], dtype=torch.float32, requires_grad=True)
        loss = F.binary_cross_entropy(torch.sigmoid(logit), torch.tensor([label]))
        loss.backward()
        print(f"label {label:.0f}, wrong by {size}: loss {loss.item():.0f} gradient {abs(logit.grad.item()):.2f}")
PY
shown=$("$work/venv/bin/python" "$work/show.py" 2>/dev/null)
[[ $shown == $'label 1, wrong by 10: loss 10 gradient 1.00\nlabel 1, wrong by 15: loss 15 gradient 1.00\nlabel 1, wrong by 18: loss 18 gradient 1.00\nlabel 1, wrong by 40: loss 40 gradient 0.00\nlabel 0, wrong by 10: loss 10 gradient 1.00\nlabel 0, wrong by 15: loss 15 gradient 1.00\nlabel 0, wrong by 18: loss 100 gradient 0.00\nlabel 0, wrong by 40: loss 100 gradient 0.00' ]] || { echo "it is otherwise now: $shown"; exit 1; }
echo "wrong by 18: gradient 1 for label 1, 0 for label 0"
