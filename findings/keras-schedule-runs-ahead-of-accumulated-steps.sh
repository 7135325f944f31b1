#!/usr/bin/env bash
# keras 3.15.1: with gradient_accumulation_steps=4 the schedule of the rate could be guessed to go by the updates, as
# optimizer.iterations does. It goes by the batches: a cut after 4 updates comes within the second. optax 0.2.8's
# MultiSteps goes by the updates. A weight of 1 with a gradient of 1 and a rate of 0.1 for the first 4 or 5 steps, then of
# 0.001, after each update:
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"; "$work/venv/bin/pip" install -q 'keras==3.15.1' 'optax==0.2.8' 'jax==0.10.2' 'numpy==2.4.6'
cat >"$work/show.py" <<'PY'
import jax.numpy as jnp
import keras
import optax

for every in (None, 4):
    weight = keras.Variable([1.0])
    schedule = keras.optimizers.schedules.PiecewiseConstantDecay([4], [0.1, 0.001])
    rule, after = keras.optimizers.SGD(schedule, gradient_accumulation_steps=every), []
    for _ in range(6 * (every or 1)):
        rule.apply([jnp.array([1.0])], [weight])
        after.append(f"{weight.value.item():.3f}")
    print("keras", every, *after[(every or 1) - 1 :: every or 1], "iterations", int(rule.iterations))

rule = optax.MultiSteps(optax.sgd(optax.piecewise_constant_schedule(0.1, {4: 0.01})), 4)
weight, after = jnp.ones(1), []
state = rule.init(weight)
for _ in range(24):
    update, state = rule.update(jnp.ones(1), state, weight)
    weight = optax.apply_updates(weight, update)
    after.append(f"{weight.item():.3f}")
print("optax 4", *after[3::4])
PY
shown=$(cd "$work" && KERAS_BACKEND=jax "$work/venv/bin/python" "$work/show.py" 2>/dev/null)
[[ $shown == $'keras None 0.900 0.800 0.700 0.600 0.500 0.499 iterations 6\nkeras 4 0.900 0.899 0.898 0.897 0.896 0.895 iterations 6\noptax 4 0.900 0.800 0.700 0.600 0.599 0.598' ]] || { echo "it is otherwise now: $shown"; exit 1; }
echo "keras's schedule runs by batches where gradients are accumulated"
