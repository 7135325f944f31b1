#!/usr/bin/env bash
# keras 3.15.1: one initializer object gives all layers of one shape the same weights, with a seed or without: it takes
# its seed once, when it is made, and draws from it anew for each layer. So parallel branches, experts, heads or the
# nets of an ensemble that are handed a HeNormal() kept in a variable begin equal. "he_normal" makes an object for each
# layer; a Dropout(seed=1) draws on.
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"; "$work/venv/bin/pip" install -q 'keras==3.15.1' 'torch==2.14.1' 'numpy==2.4.6'
cat >"$work/show.py" <<'PY'
import os

os.environ["KERAS_BACKEND"] = "torch"
import keras
import numpy as np


def equal(initializer):
    one, other = (keras.layers.Dense(4, kernel_initializer=initializer) for _ in range(2))
    one.build((None, 3))
    other.build((None, 3))
    return np.array_equal(keras.ops.convert_to_numpy(one.kernel), keras.ops.convert_to_numpy(other.kernel))


print("one HeNormal(seed=1) for two layers: equal", equal(keras.initializers.HeNormal(seed=1)))
print("one HeNormal() for two layers: equal", equal(keras.initializers.HeNormal()))
keras.utils.set_random_seed(1)
print("he_normal after set_random_seed(1): equal", equal("he_normal"))
drop, x = keras.layers.Dropout(0.5, seed=1), np.ones((1, 64), "float32")
once, again = (keras.ops.convert_to_numpy(drop(x, training=True)) for _ in range(2))
print("Dropout(seed=1) twice: equal", np.array_equal(once, again))
PY
shown=$("$work/venv/bin/python" "$work/show.py" 2>/dev/null)
[[ $shown == $'one HeNormal(seed=1) for two layers: equal True\none HeNormal() for two layers: equal True\nhe_normal after set_random_seed(1): equal False\nDropout(seed=1) twice: equal False' ]] || { echo "it is otherwise now: $shown"; exit 1; }
echo "one HeNormal() of keras gives two layers the same weights"
