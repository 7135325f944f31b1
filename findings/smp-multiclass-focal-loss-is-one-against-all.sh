#!/usr/bin/env bash
# segmentation-models-pytorch 0.6.0: FocalLoss(mode="multiclass") is no softmax loss: it takes each class by itself
# through a sigmoid, against all others. With gamma 0 it isn't the cross entropy but a binary one over all classes, and
# a number added to all scores of a picture, which a softmax doesn't see, makes it five times as large. So it doesn't
# compare with other focal losses, and what a softmax behind such a net says is no probability that was trained. Losses
# of the same scores, and of the scores plus 5:
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"; "$work/venv/bin/pip" install -q 'segmentation-models-pytorch==0.6.0' 'torch==2.14.1' 'torchvision==0.29.1' 'numpy==2.4.6'
cat >"$work/show.py" <<'PY'
import torch
import torch.nn.functional as F
from segmentation_models_pytorch.losses import FocalLoss

torch.manual_seed(0)
scores, labels = torch.randn(1000, 5), torch.randint(0, 5, (1000,))
losses = {
    "cross entropy": F.cross_entropy,
    "focal, gamma 0": FocalLoss("multiclass", gamma=0.0),
    "binary, each class": lambda x, y: F.binary_cross_entropy_with_logits(x, F.one_hot(y, 5).float()),
}
for name, loss in losses.items():
    print(f"{name}: {loss(scores, labels):.1f}, plus 5 {loss(scores + 5, labels):.1f}")
PY
shown=$("$work/venv/bin/python" "$work/show.py" 2>/dev/null)
[[ $shown == $'cross entropy: 1.9, plus 5 1.9\nfocal, gamma 0: 0.8, plus 5 4.0\nbinary, each class: 0.8, plus 5 4.0' ]] || { echo "it is otherwise now: $shown"; exit 1; }
echo "smp's multiclass focal loss takes each class against all others through a sigmoid"
