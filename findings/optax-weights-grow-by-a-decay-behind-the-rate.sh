#!/usr/bin/env bash
# optax 0.2.8: chain(adam(rate), add_decayed_weights(0.01)) one could guess to decay weights by a hundredth at each step,
# whatever the rate (as AdamW without the rate). What comes out of adam is what is added to the weights, sign and all, and
# add_decayed_weights adds: the weights grow by a hundredth at each step, without a word. In front of the rate, as in
# adamw, the sign is right. A weight of 1 without any gradient after 100 steps:
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"; "$work/venv/bin/pip" install -q 'optax==0.2.8' 'jax==0.10.2' 'numpy==2.4.6'
cat >"$work/show.py" <<'PY'
import jax.numpy as jnp
import optax

rules = {
    "chain(adam(0.1), add_decayed_weights(0.01))": optax.chain(optax.adam(0.1), optax.add_decayed_weights(0.01)),
    "chain(add_decayed_weights(0.01), sgd(0.1))": optax.chain(optax.add_decayed_weights(0.01), optax.sgd(0.1)),
    "adamw(0.1, weight_decay=0.01)": optax.adamw(0.1, weight_decay=0.01),
    "chain(adam(0.1), add_decayed_weights(-0.01))": optax.chain(optax.adam(0.1), optax.add_decayed_weights(-0.01)),
}
for name, rule in rules.items():
    weight = jnp.ones(1)
    state = rule.init(weight)
    for _ in range(100):
        update, state = rule.update(jnp.zeros(1), state, weight)
        weight = optax.apply_updates(weight, update)
    print(f"{name}: {weight.item():.2f}")
PY
shown=$(cd "$work" && "$work/venv/bin/python" "$work/show.py" 2>/dev/null)
[[ $shown == $'chain(adam(0.1), add_decayed_weights(0.01)): 2.70\nchain(add_decayed_weights(0.01), sgd(0.1)): 0.90\nadamw(0.1, weight_decay=0.01): 0.90\nchain(adam(0.1), add_decayed_weights(-0.01)): 0.37' ]] || { echo "it is otherwise now: $shown"; exit 1; }
echo "a weight decay behind the rate makes the weights grow"
