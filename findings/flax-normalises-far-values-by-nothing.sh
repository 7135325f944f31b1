#!/usr/bin/env bash
# flax 0.12.8 on jax 0.10.2: BatchNorm, LayerNorm and the like take the variance as the mean of the squares less the
# square of the mean, in float32, and 0 where that is negative. Of values with a spread of 1 around 3,000 (levels of 12
# or 16 bits that nobody scaled) nothing is left, and the outputs, divided by the root of eps, have a spread above 50
# where they should have 1. No NaN, no word. use_fast_variance=False is right, and so is equinox 0.13.8. Spread of the
# outputs, for values around 30, 300 and 3,000:
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"; "$work/venv/bin/pip" install -q 'flax==0.12.8' 'jax==0.10.2' 'equinox==0.13.8' 'numpy==2.4.6'
cat >"$work/show.py" <<'PY'
import equinox as eqx
import jax.numpy as jnp
import numpy as np
from flax import nnx

noise = np.random.default_rng(0).normal(size=(32, 16, 16, 1))
for middle in (30, 300, 3000):
    x, rngs = jnp.asarray(middle + noise, jnp.float32), nnx.Rngs(0)
    layers = {
        "BatchNorm": nnx.BatchNorm(1, rngs=rngs),
        "LayerNorm": nnx.LayerNorm(1, reduction_axes=(1, 2, 3), rngs=rngs),
        "its slow way": nnx.LayerNorm(1, reduction_axes=(1, 2, 3), use_fast_variance=False, rngs=rngs),
    }
    spreads = {name: float(jnp.std(layer(x))) for name, layer in layers.items()}
    spreads["equinox"] = float(jnp.std(jnp.stack([eqx.nn.GroupNorm(1, 1)(one.transpose(2, 0, 1)) for one in x])))
    print(middle, *(f"{name} {spread:.1f}" if spread < 50 else f"{name} above 50" for name, spread in spreads.items()))
PY
shown=$("$work/venv/bin/python" "$work/show.py" 2>/dev/null)
[[ $shown == $'30 BatchNorm 1.0 LayerNorm 1.0 its slow way 1.0 equinox 1.0\n300 BatchNorm 1.0 LayerNorm 1.0 its slow way 1.0 equinox 1.0\n3000 BatchNorm above 50 LayerNorm above 50 its slow way 1.0 equinox 1.0' ]] || { echo "it is otherwise now: $shown"; exit 1; }
echo "flax's norms of values far from 0 divide by the root of eps"
