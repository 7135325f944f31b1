#!/usr/bin/env bash
# jax 0.10.2, flax 0.12.8, CPU: with nnx.Conv(dtype=bfloat16), mixed precision with float32 parameters, the gradient of
# a convolution's bias is summed over batch, height and width in bfloat16, where a sum stops growing once what is added
# is less than half a digit. In a small net on 32 pictures of 32 x 32 the biases' gradients have a third and a half of
# their length and another direction, those of the kernels are right to a hundredth; of jax.grad of (x + bias) ** 2 with
# x of 0 to 1 a sixty-fourth is left. Nothing warns; jnp.sum, which goes to float32, and matrix products are right. One
# would expect the digits of bfloat16 of the gradient, as in torch. The kernels' gradients within 2 % of those in
# float32, the biases' shorter than four fifths, and that of (x + bias) ** 2 shorter than a fifth:
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"; "$work/venv/bin/pip" install -q 'jax==0.10.2' 'flax==0.12.8' 'numpy==2.4.6'
cat >"$work/show.py" <<'PY'
import jax
import jax.numpy as jnp
from flax import nnx

pictures = jax.random.uniform(jax.random.key(0), (32, 32, 32, 3))
labels = jnp.arange(32) % 10


class Net(nnx.Module):
    def __init__(self, kind):
        rngs = nnx.Rngs(0)
        self.first = nnx.Conv(3, 64, (3, 3), dtype=kind, rngs=rngs)
        self.second = nnx.Conv(64, 64, (3, 3), dtype=kind, rngs=rngs)
        self.head = nnx.Linear(64, 10, dtype=kind, rngs=rngs)

    def __call__(self, x):
        return self.head(nnx.relu(self.second(nnx.relu(self.first(x)))).mean((1, 2))).astype(jnp.float32)


@nnx.jit
def gradients(net):
    return nnx.grad(lambda net: -jax.nn.log_softmax(net(pictures))[jnp.arange(32), labels].mean())(net)


def length(values):
    return float(jnp.linalg.norm(values.astype(jnp.float32)))


exact, rounded = gradients(Net(jnp.float32)), gradients(Net(jnp.bfloat16))
for layer in ("first", "second"):
    kernel, bias = (length(rounded[layer][part][...]) / length(exact[layer][part][...]) for part in ("kernel", "bias"))
    print(layer, abs(kernel - 1) < 0.02, bias < 0.8)
x = jax.random.uniform(jax.random.key(1), (32, 32, 32, 64))
square = jax.jit(jax.grad(lambda bias, x: jnp.square(x + bias).mean()))
left = length(square(jnp.zeros(64, jnp.bfloat16), x.astype(jnp.bfloat16))) / length(square(jnp.zeros(64), x))
print(left < 0.2)
PY
shown=$("$work/venv/bin/python" "$work/show.py" 2>/dev/null)
[[ $shown == $'first True True\nsecond True True\nTrue' ]] || { echo "it is otherwise now: $shown"; exit 1; }
echo "gradients of the biases of bfloat16 convolutions are too small by half and more"
