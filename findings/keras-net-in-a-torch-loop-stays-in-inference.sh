#!/usr/bin/env bash
# keras 3.15.1 on torch 2.14.1: a keras net is an nn.Module, and its train() changes nothing: keras goes by the argument
# training=True, which fit() gives. So in a loop of PyTorch's own, net.train(); net(x), dropout never drops and batch
# norm normalises by its first mean 0 and variance 1 and never learns others, without a word. net(x, training=True) is
# right. Share that is dropped of 0.5, and batch norm's mean after 200 batches of mean 5:
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"; "$work/venv/bin/pip" install -q 'keras==3.15.1' 'torch==2.14.1' 'numpy==2.4.6'
cat >"$work/show.py" <<'PY'
import os

os.environ["KERAS_BACKEND"] = "torch"
import keras
import torch

drop = keras.Sequential([keras.Input((1000,)), keras.layers.Dropout(0.5)])
norm = keras.Sequential([keras.Input((4,)), keras.layers.BatchNormalization(momentum=0.9)])
for name, options in (("net.train()", {}), ("training=True", {"training": True})):
    for net in (drop, norm):
        net.train()
    dropped = (drop(torch.ones(8, 1000), **options) == 0).float().mean()
    for _ in range(200):
        norm(5 + torch.randn(64, 4), **options)
    mean = keras.ops.convert_to_numpy(norm.layers[-1].moving_mean).mean()
    print(f"{name}: dropped {dropped:.1f}, mean {mean:.0f}")
PY
shown=$("$work/venv/bin/python" "$work/show.py" 2>/dev/null)
[[ $shown == $'net.train(): dropped 0.0, mean 0\ntraining=True: dropped 0.5, mean 5' ]] || { echo "it is otherwise now: $shown"; exit 1; }
echo "a keras net in a torch loop stays in inference, whatever train() says"
