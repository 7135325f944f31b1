#!/usr/bin/env bash
# optax 0.2.8 on jax 0.10.2: softmax_cross_entropy_with_integer_labels takes a label of -1 (unlabelled, ignored
# elsewhere) for the last class: pictures without a label are trained as that class, with its loss and its gradient. A
# label that is one too large (classes counted from 1) makes the loss NaN, while the gradient is finite and pushes all
# classes down. By one-hot rows both cost 0. Loss and gradient of scores 1, 2, 3 for labels 2, -1 and 3:
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"; "$work/venv/bin/pip" install -q 'optax==0.2.8' 'jax==0.10.2' 'numpy==2.4.6'
cat >"$work/show.py" <<'PY'
import jax
import jax.numpy as jnp
import optax

scores = jnp.array([[1.0, 2.0, 3.0]])
losses = {
    "integers": lambda x, label: optax.softmax_cross_entropy_with_integer_labels(x, jnp.array([label])).sum(),
    "one-hot": lambda x, label: optax.softmax_cross_entropy(x, jax.nn.one_hot(jnp.array([label]), 3)).sum(),
}
for name, loss in losses.items():
    for label in (2, -1, 3):
        value, gradient = jax.value_and_grad(loss)(scores, label)
        print(f"{name} {label}: {abs(value):.2f}, gradient", *(f"{abs(g):.2f}" if abs(g) < 0.005 else f"{g:.2f}" for g in gradient[0]))
PY
shown=$("$work/venv/bin/python" "$work/show.py" 2>/dev/null)
[[ $shown == $'integers 2: 0.41, gradient 0.09 0.24 -0.33\nintegers -1: 0.41, gradient 0.09 0.24 -0.33\nintegers 3: nan, gradient 0.09 0.24 0.67\none-hot 2: 0.41, gradient 0.09 0.24 -0.33\none-hot -1: 0.00, gradient 0.00 0.00 0.00\none-hot 3: 0.00, gradient 0.00 0.00 0.00' ]] || { echo "it is otherwise now: $shown"; exit 1; }
echo "optax takes label -1 for the last class"
