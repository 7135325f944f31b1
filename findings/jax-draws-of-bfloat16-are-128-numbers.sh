#!/usr/bin/env bash
# jax 0.10.2, CPU: numbers drawn in bfloat16 are made of uniform ones with 7 bits. random.normal of a million has 128
# values, none beyond 2.9 and a mean of -0.012, where float32 goes to 4.6: weights, noise for augmentation, diffusion or
# privacy have no tails. random.categorical draws its noise in the type of the logits: of 1,000 equal logits in
# bfloat16, as a net in mixed precision gives them, the first hundred classes are drawn in 54 % of all cases and the
# last hundred hardly ever, since of equal sums the first one wins. Nothing warns; logits.astype(float32) is right. For
# each type, how many values a million normal numbers have and the largest, and the shares of the first and last hundred
# of 1,000 classes:
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"; "$work/venv/bin/pip" install -q 'jax==0.10.2' 'numpy==2.4.6'
cat >"$work/show.py" <<'PY'
import jax
import jax.numpy as jnp
import numpy as np

key = jax.random.key(0)
for kind in (jnp.float32, jnp.float16, jnp.bfloat16):
    drawn = np.asarray(jax.random.normal(key, (1_000_000,), dtype=kind).astype(jnp.float32))
    values = len(np.unique(drawn))
    classes = np.asarray(jax.random.categorical(key, jnp.zeros(1000, kind), shape=(200_000,)))
    first, last = (classes < 100).mean(), (classes >= 900).mean()
    print(kind.__name__, f"{values if values < 5000 else 'many'} values to {abs(drawn).max():.1f}, classes {first:.2f} and {last:.2f}")
PY
shown=$("$work/venv/bin/python" "$work/show.py" 2>/dev/null)
[[ $shown == $'float32 many values to 4.6, classes 0.10 and 0.10\nfloat16 1024 values to 3.5, classes 0.15 and 0.06\nbfloat16 128 values to 2.9, classes 0.54 and 0.00' ]] || { echo "it is otherwise now: $shown"; exit 1; }
echo "of 1,000 equal logits in bfloat16 the first hundred classes are drawn in 54 % of all cases"
