#!/usr/bin/env bash
# keras 3.15.1 on jax: by the policy "bfloat16" the moving mean and variance of a batch norm are bfloat16 too. With
# keras' momentum of 0.99 each step adds a hundredth of what is missing, which is soon less than half a digit: for a
# mean of 5 it stops at 4, or at 8.1 on its way down from 20, a variance of 9 at 7.4. Training goes by the batch; the
# net that is validated and served normalises by these. Nothing warns. keras by "mixed_bfloat16" and flax's
# nnx.BatchNorm keep them in float32. After 3,000 batches of mean 5 and variance 9 by each policy, from a mean of 0 and
# of 20 on:
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"; "$work/venv/bin/pip" install -q 'keras==3.15.1' 'jax==0.10.2' 'numpy==2.4.6'
cat >"$work/show.py" <<'PY'
import keras
import numpy as np

batch = np.tile([2.0, 8.0], (64, 1)).reshape(128, 1)
for policy in ("float32", "mixed_bfloat16", "bfloat16"):
    told = []
    for start in (0.0, 20.0):
        layer = keras.layers.BatchNormalization(dtype=policy)
        layer.build((None, 1))
        layer.moving_mean.assign([start])
        for _ in range(3000):
            layer(batch, training=True)
        mean, variance = (keras.ops.convert_to_numpy(kept).astype(float)[0] for kept in (layer.moving_mean, layer.moving_variance))
        told.append(f"{mean:.2f} and {variance:.2f}")
    print(policy, *told)
PY
shown=$(KERAS_BACKEND=jax "$work/venv/bin/python" "$work/show.py" 2>/dev/null)
[[ $shown == $'float32 5.00 and 9.00 5.00 and 9.00\nmixed_bfloat16 5.00 and 9.00 5.00 and 9.00\nbfloat16 4.00 and 7.44 8.12 and 7.44' ]] || { echo "it is otherwise now: $shown"; exit 1; }
echo "a moving mean in bfloat16 stops at 4 for 5"
