#!/usr/bin/env bash
# timm 1.0.31, lion-pytorch 0.2.4, pytorch-optimizer 4.1.0, keras 3.15.1 on torch 2.14.1: one NaN gradient makes Adam's
# weights NaN, which everybody sees. Lion steps by the sign of its momentum, and torch.sign(NaN) is 0: the momentum is NaN
# for good, the weight is finite and never moves again, so the loss goes on at a finite value. After one bad batch a whole
# net can stand still like this, and a look for NaN in weights, gradients and loss finds none. jax's sign of NaN is
# NaN, and optax 0.2.8's Lion makes the weight NaN. torch's Rprop leaves out the one step and goes on. A weight that
# had a NaN as its second gradient, beside one that had 1 each time, after four steps, and the first one's momentum:
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"; "$work/venv/bin/pip" install -q 'torch==2.14.1' 'timm==1.0.31' 'torchvision==0.29.1' 'lion-pytorch==0.2.4' 'pytorch-optimizer==4.1.0' 'keras==3.15.1' 'optax==0.2.8' 'jax==0.10.2' 'numpy==2.4.6'
cat >"$work/show.py" <<'PY'
import keras
import jax.numpy as jnp
import lion_pytorch
import optax
import pytorch_optimizer
import timm.optim
import torch

nan = float("nan")
print("sign of NaN: torch", torch.tensor([nan]).sign().item(), "jax", jnp.sign(jnp.array([nan])).item())
rules = {
    "torch Adam": lambda w: torch.optim.Adam(w, lr=0.1),
    "torch Rprop": lambda w: torch.optim.Rprop(w, lr=0.1),
    "timm Lion": lambda w: timm.optim.Lion(w, lr=0.1),
    "lion-pytorch": lambda w: lion_pytorch.Lion(w, lr=0.1),
    "pytorch-optimizer Lion": lambda w: pytorch_optimizer.Lion(w, lr=0.1),
}
for name, make in rules.items():
    weight = torch.nn.Parameter(torch.ones(2))
    optimizer = make([weight])
    for step in range(4):
        weight.grad = torch.tensor([nan if step == 1 else 1.0, 1.0])
        optimizer.step()
    print(name, *(f"{value:.2f}" for value in weight.tolist()), *(f"{key} {optimizer.state[weight][key][0]:.2f}" for key in ("exp_avg",) if key in optimizer.state[weight]))

weight, rule = keras.Variable([1.0, 1.0]), keras.optimizers.Lion(0.1)
for step in range(4):
    rule.apply([torch.tensor([nan if step == 1 else 1.0, 1.0])], [weight])
print("keras Lion", *(f"{value:.2f}" for value in weight.value.tolist()))

weight, rule = jnp.ones(2), optax.lion(0.1, weight_decay=0)
state = rule.init(weight)
for step in range(4):
    update, state = rule.update(jnp.array([nan if step == 1 else 1.0, 1.0]), state, weight)
    weight = optax.apply_updates(weight, update)
print("optax Lion", *(f"{value:.2f}" for value in weight.tolist()))
PY
shown=$(cd "$work" && KERAS_BACKEND=torch "$work/venv/bin/python" "$work/show.py" 2>/dev/null)
[[ $shown == $'sign of NaN: torch 0.0 jax nan\ntorch Adam nan 0.60 exp_avg nan\ntorch Rprop 0.68 0.46\ntimm Lion 0.90 0.60 exp_avg nan\nlion-pytorch 0.90 0.60 exp_avg nan\npytorch-optimizer Lion 0.90 0.60 exp_avg nan\nkeras Lion 0.90 0.60\noptax Lion nan 0.60' ]] || { echo "it is otherwise now: $shown"; exit 1; }
echo "after one NaN gradient Lion's weight stands still for good, at a finite value"
