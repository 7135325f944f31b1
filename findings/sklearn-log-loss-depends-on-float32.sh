#!/usr/bin/env bash
# scikit-learn 1.9.1: log_loss cuts probabilities at the epsilon of their type, so the same sure and wrong answer costs
# 15.9 in float32, 36.0 in float64 and 6.9 in float16; torch's cross-entropy gives 60 where the logit is 60 behind. A
# validation loss worked out by scikit-learn from torch's softmax (float32) hides how sure a net is of its errors, and
# changes when something turns its table to float64. Mean loss of two pictures, one right and one wrong by the logits
# told:
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"; "$work/venv/bin/pip" install -q 'scikit-learn==1.9.1' 'torch==2.14.1' 'numpy==2.4.6'
cat >"$work/show.py" <<'PY'
import torch
import torch.nn.functional as F
from sklearn.metrics import log_loss

truth = torch.tensor([0, 1])
for ahead in (5.0, 20.0, 60.0):
    logits = torch.tensor([[ahead, 0.0], [ahead, 0.0]])
    told = [f"torch {F.cross_entropy(logits, truth):.1f}"]
    for kind in (torch.float16, torch.float32, torch.float64):
        told.append(f"{str(kind)[6:]} {log_loss(truth, logits.softmax(1).to(kind).numpy()):.1f}")
    print(f"{ahead:.0f}:", *told)
PY
shown=$("$work/venv/bin/python" "$work/show.py" 2>/dev/null)
[[ $shown == $'5: torch 2.5 float16 2.5 float32 2.5 float64 2.5\n20: torch 10.0 float16 3.5 float32 8.0 float64 10.0\n60: torch 30.0 float16 3.5 float32 8.0 float64 18.0' ]] || { echo "it is otherwise now: $shown"; exit 1; }
echo "the log loss of float32 probabilities ends at 15.9 for each picture"
