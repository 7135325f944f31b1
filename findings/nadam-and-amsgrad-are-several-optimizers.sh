#!/usr/bin/env bash
# torch 2.14.1, optax 0.2.8 on jax 0.10.1, keras 3.15.1: with the same rate and gradients, their Adam, AdamW and RAdam
# walk the same way; NAdam is another one in all three, AMSGrad another in optax (which takes the largest of the
# corrected moments), Rprop too. Weights differ by more than 1 % of the way after 20 steps, so rates from one don't
# carry over. torch's against optax's, and keras's:
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"; "$work/venv/bin/pip" install -q 'torch==2.14.1' 'optax==0.2.8' 'jax==0.10.1' 'jaxlib==0.10.1' 'keras==3.15.1' 'numpy==2.4.6'
cat >"$work/show.py" <<'PY'
import os

os.environ["KERAS_BACKEND"], os.environ["JAX_PLATFORMS"] = "torch", "cpu"
import jax.numpy as jnp
import keras
import numpy as np
import optax
import torch

draw = np.random.default_rng(0)
start, gradients = draw.normal(size=8).astype("f4"), draw.normal(size=(20, 8)).astype("f4")


def of_torch(kind, **options):
    weight = torch.nn.Parameter(torch.tensor(start))
    optimizer = kind([weight], lr=0.01, **options)
    for gradient in gradients:
        weight.grad = torch.tensor(gradient)
        optimizer.step()
    return weight.detach().numpy()


def of_optax(rule):
    weight = jnp.array(start)
    state = rule.init(weight)
    for gradient in gradients:
        change, state = rule.update(jnp.array(gradient), state, weight)
        weight = optax.apply_updates(weight, change)
    return np.asarray(weight)


def of_keras(optimizer):
    weight = keras.Variable(start)
    optimizer.build([weight])
    for gradient in gradients:
        optimizer.apply([torch.tensor(gradient)], [weight])
    return keras.ops.convert_to_numpy(weight.value)


rows = {
    "Adam": (of_torch(torch.optim.Adam), optax.adam(0.01), keras.optimizers.Adam(0.01)),
    "AdamW": (of_torch(torch.optim.AdamW), optax.adamw(0.01, weight_decay=0.01), keras.optimizers.AdamW(0.01, weight_decay=0.01)),
    "RAdam": (of_torch(torch.optim.RAdam), optax.radam(0.01), None),
    "NAdam": (of_torch(torch.optim.NAdam), optax.nadam(0.01), keras.optimizers.Nadam(0.01)),
    "AMSGrad": (of_torch(torch.optim.Adam, amsgrad=True), optax.amsgrad(0.01), keras.optimizers.Adam(0.01, amsgrad=True)),
    "Rprop": (of_torch(torch.optim.Rprop), optax.rprop(0.01), None),
}
for name, (right, rule, optimizer) in rows.items():
    others = [of_optax(rule)] + ([of_keras(optimizer)] if optimizer else [])
    moved = np.abs(right - start).max()
    print(name, *("same" if np.abs(other - right).max() < 0.01 * moved else "other" for other in others))
PY
shown=$("$work/venv/bin/python" "$work/show.py" 2>/dev/null)
[[ $shown == $'Adam same same\nAdamW same same\nRAdam same\nNAdam other other\nAMSGrad other same\nRprop other' ]] || { echo "it is otherwise now: $shown"; exit 1; }
echo "NAdam, AMSGrad and Rprop of torch, optax and keras walk other ways"
