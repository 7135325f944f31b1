#!/usr/bin/env bash
# timm 1.0.31: once an epoch's score is NaN among the files that `CheckpointSaver` keeps (max_history), no better one is
# saved any more: nothing is greater than NaN. model_best stays what was best before, and where the NaN came first it is
# the best for good. No warning. The best after scores of 0.3, NaN, 0.5, 0.6 and after NaN, 0.3, 0.5, 0.6 with two
# files:
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"; "$work/venv/bin/pip" install -q 'timm==1.0.31' 'torch==2.14.1' 'torchvision==0.29.1' 'numpy==2.4.6'
cat >"$work/show.py" <<'PY'
import tempfile

import torch
from timm.utils import CheckpointSaver

net = torch.nn.Linear(1, 1)
for scores in ([0.3, 0.2, 0.5, 0.6], [0.3, float("nan"), 0.5, 0.6], [float("nan"), 0.3, 0.5, 0.6]):
    folder = tempfile.mkdtemp()
    saver = CheckpointSaver(net, torch.optim.SGD(net.parameters(), 0.1), checkpoint_dir=folder, max_history=2)
    for epoch, score in enumerate(scores):
        best, at = saver.save_checkpoint(epoch, score)
    print(*scores, "-> best", best, "of epoch", at)
PY
shown=$("$work/venv/bin/python" "$work/show.py" 2>/dev/null)
[[ $shown == $'0.3 0.2 0.5 0.6 -> best 0.6 of epoch 3\n0.3 nan 0.5 0.6 -> best 0.3 of epoch 0\nnan 0.3 0.5 0.6 -> best nan of epoch 0' ]] || { echo "it is otherwise now: $shown"; exit 1; }
echo "after a NaN timm's CheckpointSaver saves no better epoch"
