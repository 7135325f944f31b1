#!/usr/bin/env bash
# iterative-stratification 0.1.9: `MultilabelStratifiedKFold(5)`, not shuffled and without a seed, gives other folds at
# each call, where scikit-learn's StratifiedKFold(5) gives the same; a seed is refused unless shuffle=True. And
# `MultilabelStratifiedShuffleSplit(train_size=0.1, test_size=0.1)` of 1,000 pictures gives halves of 500: it leaves
# none out.
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"; "$work/venv/bin/pip" install -q 'iterative-stratification==0.1.9' 'scikit-learn==1.9.1' 'numpy==2.4.6' 'scipy==1.17.1'
cat >"$work/show.py" <<'PY'
import numpy as np
from iterstrat.ml_stratifiers import MultilabelStratifiedKFold, MultilabelStratifiedShuffleSplit
from sklearn.model_selection import StratifiedKFold

labels = np.random.default_rng(0).integers(0, 2, (1000, 5))
for folds, wanted in ((StratifiedKFold(5), labels[:, 0]), (MultilabelStratifiedKFold(5), labels)):
    first, second = ([test.tolist() for _, test in folds.split(labels, wanted)] for _ in range(2))
    print(type(folds).__name__, "is the same twice:", first == second)
try:
    MultilabelStratifiedKFold(5, random_state=0)
except ValueError:
    print("a seed is refused")
split = MultilabelStratifiedShuffleSplit(1, train_size=0.1, test_size=0.1, random_state=0)
print("a tenth and a tenth:", *map(len, next(split.split(labels, labels))))
PY
shown=$("$work/venv/bin/python" "$work/show.py")
[[ $shown == $'StratifiedKFold is the same twice: True\nMultilabelStratifiedKFold is the same twice: False\na seed is refused\na tenth and a tenth: 500 500' ]] || { echo "it is otherwise now: $shown"; exit 1; }
echo "unshuffled multi-label folds are drawn anew each time"
