#!/usr/bin/env bash
# kornia 0.9.0, torch 2.14.1: augmentations are modules, made to stand in front of a net, and ignore eval(): a net that
# is nn.Sequential(augmentations, classifier) is validated on augmented pictures, and answers otherwise at each call.
# Dropout beside it stops. A state dict or an export of such a net doesn't show it.
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"; "$work/venv/bin/pip" install -q 'kornia==0.9.0' 'torch==2.14.1' 'numpy==2.4.6'
cat >"$work/show.py" <<'PY'
import kornia.augmentation as K
import torch
from torch import nn

torch.manual_seed(0)
x = torch.rand(64, 3, 8, 8)
for name, augment in (
    ("kornia", K.RandomHorizontalFlip(p=0.5)),
    ("dropout", nn.Dropout(0.5)),
):
    net = nn.Sequential(augment, nn.Flatten()).eval()
    with torch.no_grad():
        changed = not torch.equal(net(x), x.flatten(1))
        print(name, "changes pictures in eval:", changed, "answers twice alike:", torch.equal(net(x), net(x)))
PY
shown=$("$work/venv/bin/python" "$work/show.py" 2>/dev/null)
[[ $shown == $'kornia changes pictures in eval: True answers twice alike: False\ndropout changes pictures in eval: False answers twice alike: True' ]] || { echo "it is otherwise now: $shown"; exit 1; }
echo "augmentations inside a net go on in eval()"
