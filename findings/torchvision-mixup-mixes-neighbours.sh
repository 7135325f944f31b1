#!/usr/bin/env bash
# torchvision 0.29.1 and timm 1.0.31: MixUp and CutMix draw no partners. torchvision mixes each picture with the one
# before it in the batch, timm picture i with picture N - 1 - i, every time. So in a batch that is grouped by class (a
# P x K sampler of metric learning, an unshuffled folder) torchvision's labels stay those of one class in all pictures
# but the first of each group. Shown: partners of 0..7 in two draws; labels that are mixed in [0,0,0,0,1,1,1,1].
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"; "$work/venv/bin/pip" install -q 'torch==2.14.1' 'torchvision==0.29.1' 'timm==1.0.31' numpy
cat >"$work/show.py" <<'PY'
import numpy
import torch
from timm.data import Mixup
from torchvision.transforms import v2

torch.manual_seed(0)
numpy.random.seed(0)


def partners(mix):
    _, labels = mix(torch.rand(8, 1, 8, 8), torch.arange(8))
    own = torch.eye(8, dtype=torch.bool)
    return labels.masked_fill(own, -1).argmax(1).tolist()


ours = v2.MixUp(alpha=1.0, num_classes=8)
print("torchvision", partners(ours), partners(ours))
_, labels = v2.MixUp(alpha=1.0, num_classes=2)(torch.rand(8, 1, 8, 8), torch.tensor([0, 0, 0, 0, 1, 1, 1, 1]))
print("mixed labels", int((labels.max(1).values < 1).sum()), "of 8")
theirs = Mixup(mixup_alpha=1.0, label_smoothing=0.0, num_classes=8)
print("timm", partners(theirs), partners(theirs))
PY
shown=$("$work/venv/bin/python" "$work/show.py" 2>/dev/null)
[[ $shown == $'torchvision [7, 0, 1, 2, 3, 4, 5, 6] [7, 0, 1, 2, 3, 4, 5, 6]\nmixed labels 2 of 8\ntimm [7, 6, 5, 4, 3, 2, 1, 0] [7, 6, 5, 4, 3, 2, 1, 0]' ]] || { echo "it is otherwise now: $shown"; exit 1; }
echo "the partner of a mixed picture is its neighbour (torchvision) or its mirror place (timm), never drawn"
