#!/usr/bin/env bash
# jax 0.10.2: without x64 arrays have 32 bits; that float64 becomes float32 is well known, and a list with a number above
# 2^31 raises. An array of numpy's of int64 (numbers of pictures, hashes, seconds times 1000) one could guess to raise too:
# it wraps without a word, and float64 above 3.4e38 is infinite. A sum of int32 wraps at 2^31, where numpy counts
# in 64 bits. Two numbers that differ by 2^32 are one:
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"; "$work/venv/bin/pip" install -q 'jax==0.10.2' 'numpy==2.4.6'
cat >"$work/show.py" <<'PY'
import warnings

import jax.numpy as jnp
import numpy as np

numbers = np.array([5, 2**31 + 5, 2**32 + 5])
with warnings.catch_warnings(record=True) as caught:
    warnings.simplefilter("always")
    print("numpy's", jnp.asarray(numbers).tolist(), "warnings", len(caught))
try:
    jnp.asarray(numbers.tolist())
except OverflowError:
    print("a list raises")
print("float64", jnp.asarray(np.array([1e300])).tolist())
large = np.full(70000, 40000, "int32")
print("sums", large.sum(), jnp.asarray(large).sum())
PY
shown=$(cd "$work" && "$work/venv/bin/python" "$work/show.py" 2>/dev/null)
[[ $shown == $'numpy\'s [5, -2147483643, 5] warnings 0\na list raises\nfloat64 [inf]\nsums 2800000000 -1494967296' ]] || { echo "it is otherwise now: $shown"; exit 1; }
echo "an int64 array of numpy's wraps in jax, where a list raises"
