#!/usr/bin/env bash
# torch 2.14.1: a net prepared by torch.ao.quantization.prepare_qat goes on measuring the ranges of its activations in
# eval() and under no_grad. So each pass over the validation set moves the scales that training goes on with and that
# are converted in the end; a test on other pictures (not normalised, corrupted) coarsens them.
# net.apply(torch.ao.quantization.disable_observer) stops it. Scale of the first activation after training on values up
# to 1, then after validating in eval() on 500 batches of values up to 100:
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"; "$work/venv/bin/pip" install -q 'torch==2.14.1' 'numpy==2.4.6'
cat >"$work/show.py" <<'PY'
import torch
import torch.ao.quantization as quantization
from torch import nn

for stop in (False, True):
    torch.manual_seed(0)
    net = nn.Sequential(quantization.QuantStub(), nn.Linear(4, 4), quantization.DeQuantStub()).train()
    net.qconfig = quantization.get_default_qat_qconfig("fbgemm")
    net = quantization.prepare_qat(net)
    for _ in range(20):
        net(torch.rand(8, 4))
    net.eval()
    if stop:
        net.apply(quantization.disable_observer)
    scale = net[0].activation_post_process.scale.item()
    with torch.no_grad():
        for _ in range(500):
            net(torch.rand(8, 4) * 100)
    print("disabled" if stop else "eval()", f"after training {scale:.3f} after validation {net[0].activation_post_process.scale.item():.3f}")
PY
shown=$("$work/venv/bin/python" "$work/show.py" 2>/dev/null)
[[ $shown == $'eval() after training 0.008 after validation 0.761\ndisabled after training 0.008 after validation 0.008' ]] || { echo "it is otherwise now: $shown"; exit 1; }
echo "validation moves the ranges of a net in quantization-aware training"
