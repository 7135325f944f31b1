#!/usr/bin/env bash
# torch 2.14.1: a copy by copy.deepcopy of a layer with weight_norm, spectral_norm, orthogonal or any other
# parametrization shares the class that was made for the layer, and remove_parametrizations takes `weight` out of that
# class: after a copy was made plain for export, the net in training raises "no attribute 'weight'" at its next step,
# with several such layers at the first of them. Its state dict is as before. A net made anew, with the state dict loaded
# into it, has a class of its own.
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"; "$work/venv/bin/pip" install -q 'torch==2.14.1' 'numpy==2.4.6'
cat >"$work/show.py" <<'PY'
import copy

import torch
from torch import nn
from torch.nn.utils import parametrizations, parametrize

torch.manual_seed(0)


def made(of):
    return nn.Sequential(of(nn.Linear(4, 4)))


def shown(name, net):
    try:
        net(torch.ones(1, 4))
        print(name, "runs")
    except AttributeError as error:
        print(name, "raises:", error)


for of in (parametrizations.weight_norm, parametrizations.spectral_norm, parametrizations.orthogonal):
    net = made(of)
    plain = copy.deepcopy(net)
    parametrize.remove_parametrizations(plain[0], "weight")
    shown(f"{of.__name__}, the copy", plain)
    shown("the net itself", net)
    anew = made(of)
    anew.load_state_dict(net.state_dict())
    plain = made(of)
    plain.load_state_dict(net.state_dict())
    parametrize.remove_parametrizations(plain[0], "weight")
    shown("one whose plain form was made anew", anew)
PY
shown=$("$work/venv/bin/python" "$work/show.py" 2>/dev/null)
of() { echo "$1, the copy runs"; echo "the net itself raises: 'ParametrizedLinear' object has no attribute 'weight'"; echo "one whose plain form was made anew runs"; }
[[ $shown == "$(of weight_norm; of spectral_norm; of orthogonal)" ]] || { echo "it is otherwise now: $shown"; exit 1; }
echo "a net whose copy was made plain has no weight any more"
