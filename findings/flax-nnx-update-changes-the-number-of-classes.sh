#!/usr/bin/env bash
# flax 0.12.8: nnx.update(net, state) of a net with another number of classes one could guess to raise, as load_state_dict
# of PyTorch does, or a layer of flax.linen with weights of another shape: it puts the other weights in. A net made for 6
# classes answers 4 from then on, while head.out_features still says 6, and the loss of class 5 is NaN. A state without
# the head leaves the fresh one, without a word. So a look at the answers' shape is all that tells:
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"; "$work/venv/bin/pip" install -q 'flax==0.12.8' 'jax==0.10.2' 'optax==0.2.8' 'numpy==2.4.6'
cat >"$work/show.py" <<'PY'
import jax.numpy as jnp
import optax
from flax import nnx


class Net(nnx.Module):
    def __init__(self, classes, seed):
        draws = nnx.Rngs(seed)
        self.body, self.head = nnx.Linear(2, 3, rngs=draws), nnx.Linear(3, classes, rngs=draws)

    def __call__(self, x):
        return self.head(nnx.relu(self.body(x)))


picture, old, net = jnp.ones((1, 2)), Net(4, 0), Net(6, 1)
print("before", net(picture).shape)
nnx.update(net, nnx.state(old))
loss = optax.softmax_cross_entropy_with_integer_labels(net(picture), jnp.array([5]))
print("after", net(picture).shape, "out_features", net.head.out_features, "loss of class 5", loss.item())
net, state = Net(6, 1), nnx.state(old)
head = net.head.kernel[...]
del state["head"]
nnx.update(net, state)
print("without head: body", bool((net.body.kernel[...] == old.body.kernel[...]).all()), "head as it was", bool((net.head.kernel[...] == head).all()))
PY
shown=$(cd "$work" && "$work/venv/bin/python" "$work/show.py" 2>/dev/null)
[[ $shown == $'before (1, 6)\nafter (1, 4) out_features 6 loss of class 5 nan\nwithout head: body True head as it was True' ]] || { echo "it is otherwise now: $shown"; exit 1; }
echo "nnx.update makes a net of 6 classes one of 4"
