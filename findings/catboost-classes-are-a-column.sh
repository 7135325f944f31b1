#!/usr/bin/env bash
# catboost 1.2.10: `predict` of a classifier of three or more classes gives an array N x 1, of two classes N; its
# docstring says one-dimensional for both. Compared with N labels it is N x N: the accuracy `(predict(x) == y).mean()`
# of features is about 1/C, whatever was learnt, where scikit-learn, XGBoost and LightGBM give N. Shapes and accuracies
# of a model that is always right:
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"; "$work/venv/bin/pip" install -q 'catboost==1.2.10' 'numpy==2.4.6'
cat >"$work/show.py" <<'PY'
import numpy as np
from catboost import CatBoostClassifier

x = np.random.default_rng(0).normal(size=(300, 4))
for classes in (2, 3, 4):
    y = np.digitize(x[:, 0], np.quantile(x[:, 0], np.arange(1, classes) / classes))
    model = CatBoostClassifier(iterations=60, learning_rate=0.3, verbose=0, allow_writing_files=False).fit(x, y)
    answers = model.predict(x)
    right = (answers.ravel() == y).mean()
    print(classes, answers.shape, f"accuracy {(answers == y).mean():.2f}, raveled {right:.2f}")
PY
shown=$("$work/venv/bin/python" "$work/show.py")
[[ $shown == $'2 (300,) accuracy 1.00, raveled 1.00\n3 (300, 1) accuracy 0.33, raveled 1.00\n4 (300, 1) accuracy 0.25, raveled 1.00' ]] || { echo "it is otherwise now: $shown"; exit 1; }
echo "catboost answers three classes with a column"
