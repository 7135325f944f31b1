#!/usr/bin/env bash
# grad-cam 1.5.7, ptflops 0.7.5, openvino 2026.4.1, torch 2.14.1: a look at a net in mid-training leaves it in eval():
# GradCAM, the counting of ptflops and openvino's convert_model all call eval() and don't go back, so dropout is off and
# batch norm's statistics stand still from there on, silently, if train() isn't called at each epoch. GradCAM also
# replaces the gradients that lie in the parameters by its own: made between backward() and step(), the step follows the
# heat map. torch.onnx.export goes back to train().
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"; "$work/venv/bin/pip" install -q 'grad-cam==1.5.7' 'ptflops==0.7.5' 'openvino==2026.4.1' 'torch==2.14.1' 'torchvision==0.29.1' 'numpy==2.4.6'
cat >"$work/show.py" <<'PY'
import openvino
import ptflops
import torch
import torch.nn.functional as F
from pytorch_grad_cam import GradCAM
from torch import nn


def gradcam(net, x):
    GradCAM(model=net, target_layers=[net[0]])(input_tensor=x, targets=None)


def count(net, x):
    ptflops.get_model_complexity_info(net, (3, 8, 8), as_strings=False, print_per_layer_stat=False)


def convert(net, x):
    openvino.convert_model(net, example_input=x)


def nothing(net, x):
    return None


torch.manual_seed(0)
for look in (nothing, gradcam, count, convert):
    net = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Flatten(), nn.Dropout(0.5), nn.Linear(144, 2))
    net.train()
    x = torch.randn(4, 3, 8, 8)
    F.cross_entropy(net(x), torch.tensor([0, 1, 0, 1])).backward()
    before = net[0].weight.grad.clone()
    look(net, x)
    mode = "train" if net.training and net[4].training else "eval"
    print(look.__name__, mode, "gradients", "kept" if torch.equal(before, net[0].weight.grad) else "other")
PY
shown=$("$work/venv/bin/python" "$work/show.py" 2>/dev/null)
[[ $shown == $'nothing train gradients kept\ngradcam eval gradients other\ncount eval gradients kept\nconvert eval gradients kept' ]] || { echo "it is otherwise now: $shown"; exit 1; }
echo "GradCAM, ptflops and openvino leave a net in eval(); GradCAM's gradients stay in it"
