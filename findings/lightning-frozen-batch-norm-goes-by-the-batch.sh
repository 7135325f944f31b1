#!/usr/bin/env bash
# lightning 2.6.6: BaseFinetuning.freeze(backbone, train_bn=False), also under BackboneFinetuning(train_bn=False),
# freezes a batch norm's weight and its running statistics, and leaves it in train(): it normalises by the batch, where
# one in eval() goes by the running statistics. So the features of a frozen backbone depend on the other pictures of the
# batch, and those that the head learned on aren't those that are validated. Mean and deviation of the outputs of a
# frozen layer with running mean 0 and variance 1, for inputs of mean 5 and deviation 3, in training and in eval():
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"; "$work/venv/bin/pip" install -q 'lightning==2.6.6' 'torch==2.14.1' 'numpy==2.4.6'
cat >"$work/show.py" <<'PY'
import torch
from lightning.pytorch.callbacks import BaseFinetuning
from torch import nn

torch.manual_seed(0)
layer, x = nn.Sequential(nn.BatchNorm1d(4)), 5 + 3 * torch.randn(1000, 4)
BaseFinetuning.freeze(layer, train_bn=False)
for mode in (True, False):
    y = layer.train(mode)(x)
    print(f"training {mode}: mean {y.mean().abs():.0f}, deviation {y.std():.0f}")
print("running mean", *layer[0].running_mean.tolist())
PY
shown=$("$work/venv/bin/python" "$work/show.py" 2>/dev/null)
[[ $shown == $'training True: mean 0, deviation 1\ntraining False: mean 5, deviation 3\nrunning mean 0.0 0.0 0.0 0.0' ]] || { echo "it is otherwise now: $shown"; exit 1; }
echo "a batch norm that lightning froze with train_bn=False normalises by the batch in training"
