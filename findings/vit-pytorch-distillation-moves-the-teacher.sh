#!/usr/bin/env bash
# vit-pytorch 1.26.14: DistillWrapper holds the teacher as a part of itself and never puts it into eval(): the usual
# `distiller.train()` at the head of an epoch sends a teacher that was in eval() to train(). No gradient reaches it, but
# it teaches with dropout and by the batch, and its batch norms move to the student's pictures, so the teacher that is
# left answers otherwise than the one that was loaded. Whether the teacher is in train(), whether it has gradients, and
# whether 30 steps on pictures that are brighter change its class for a tenth of the validation pictures or more:
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"; "$work/venv/bin/pip" install -q 'vit-pytorch==1.26.14' 'torch==2.14.1' 'torchvision==0.29.1' 'numpy==2.4.6'
cat >"$work/show.py" <<'PY'
import torch
from torch import nn
from vit_pytorch.distill import DistillableViT, DistillWrapper



def pictures(count, least=0.0):
    colours = torch.rand(count, 3, 1, 1) * (1 - least) + least
    return colours + torch.randn(count, 3, 16, 16) * 0.05


torch.manual_seed(0)
stages = nn.Conv2d(3, 16, 3), nn.BatchNorm2d(16), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten()
teacher = nn.Sequential(*stages, nn.Linear(16, 10))
teacher.train()
for _ in range(50):
    teacher(pictures(32))
teacher.eval()
validation = pictures(256)
before = teacher(validation).argmax(1)
student = DistillableViT(image_size=16, patch_size=8, num_classes=10, dim=16, depth=1, heads=2, mlp_dim=16)
distiller = DistillWrapper(student=student, teacher=teacher, temperature=3, alpha=0.5)
optimizer = torch.optim.AdamW(student.parameters())
distiller.train()
for _ in range(30):
    optimizer.zero_grad()
    distiller(pictures(16, 0.5), torch.randint(10, (16,))).backward()
    optimizer.step()
print("training", teacher.training, "gradients", any(p.grad is not None for p in teacher.parameters()))
distiller.eval()
changed = (teacher(validation).argmax(1) != before).sum().item()
print("changed a tenth of the classes or more:", changed > 25)
PY
shown=$("$work/venv/bin/python" "$work/show.py")
[[ $shown == $'training True gradients False\nchanged a tenth of the classes or more: True' ]] || { echo "it is otherwise now: $shown"; exit 1; }
echo "distillation moves the teacher of vit-pytorch"
