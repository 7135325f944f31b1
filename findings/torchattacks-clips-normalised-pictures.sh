#!/usr/bin/env bash
# torchattacks 3.5.1: an attack clips what it gives to 0..1. A net that takes standardised pictures (-2 to 2 here) gets
# others back whatever eps is: moved by 2 for an eps of a millionth, and the accuracy "under attack" is that of clipped
# pictures. No error and no warning; set_normalization_used(mean, std) is what it wants.
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"; "$work/venv/bin/pip" install -q 'torch==2.14.1' 'numpy==2.4.6' 'torchvision==0.29.1' 'torchattacks==3.5.1'
cat >"$work/show.py" <<'PY'
import torch
import torchattacks
from torch import nn

torch.manual_seed(0)
net = nn.Sequential(nn.Flatten(), nn.Linear(3 * 8 * 8, 10)).eval()
pictures = torch.rand(64, 3, 8, 8)
labels = net((pictures - 0.5) / 0.25).argmax(1)
normalised = (pictures - 0.5) / 0.25
for name in ("FGSM", "PGD", "PGDL2"):
    attack = getattr(torchattacks, name)(net, eps=1e-6)
    shown = attack(normalised, labels)
    right = (net(shown).argmax(1) == labels).float().mean().item()
    print(name, "range", *(round(v.item(), 2) for v in shown.aminmax()), "moved", round((shown - normalised).abs().max().item(), 2), "right", round(right, 2))
PY
shown=$("$work/venv/bin/python" "$work/show.py" 2>/dev/null)
[[ $shown == $'FGSM range 0.0 1.0 moved 2.0 right 0.53\nPGD range 0.0 1.0 moved 2.0 right 0.53\nPGDL2 range 0.0 1.0 moved 2.0 right 0.53' ]] || { echo "it is otherwise now: $shown"; exit 1; }
echo "standardised pictures are clipped to 0..1: half right at eps 1e-6"
