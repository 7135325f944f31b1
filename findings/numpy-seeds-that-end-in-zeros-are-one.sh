#!/usr/bin/env bash
# numpy 2.4.6: SeedSequence fills a list of seeds up with zeros to four words, so zeros at its end count for nothing:
# default_rng([seed, 0]), the generator of worker 0, epoch 0, fold 0 or picture 0, draws what default_rng(seed) draws,
# and [seed, 3, 0] what [seed, 3] does. A split that is drawn by default_rng(seed) and the augmentation or noise of the
# first worker share their numbers. And a seed of more than 32 bits is a list itself: 5 + 7 * 2**32 is [5, 7]. Zeros in
# front count, so the number of the worker goes first. How many of the pairs draw the same:
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"; "$work/venv/bin/pip" install -q 'numpy==2.4.6'
cat >"$work/show.py" <<'PY'
import numpy as np


def same(one, other):
    return bool((np.random.default_rng(one).random(100) == np.random.default_rng(other).random(100)).all())


print("seed and [seed, 0]:", sum(same(seed, [seed, 0]) for seed in range(1000)))
print("[seed, 3] and [seed, 3, 0]:", sum(same([seed, 3], [seed, 3, 0]) for seed in range(1000)))
print("5 + 7 * 2**32 and [5, 7]:", same(5 + 7 * 2**32, [5, 7]))
print("seed and [0, seed], but for seed 0:", sum(same(seed, [0, seed]) for seed in range(1, 1000)))
PY
shown=$("$work/venv/bin/python" "$work/show.py" 2>/dev/null)
[[ $shown == $'seed and [seed, 0]: 1000\n[seed, 3] and [seed, 3, 0]: 1000\n5 + 7 * 2**32 and [5, 7]: True\nseed and [0, seed], but for seed 0: 0' ]] || { echo "it is otherwise now: $shown"; exit 1; }
echo "default_rng([seed, 0]) draws what default_rng(seed) draws"
