#!/usr/bin/env bash
# keras 3.15.1, scikit-learn 1.9.1: keras.metrics.AUC counts at 200 fixed thresholds in 0..1. Scores that all lie below
# 1/200, as of a net for a rare class or a softmax over hundreds of classes, are equal to it: an AUC of 0.5, and a
# precision-recall area of the class's share, for a net that ranks every picture rightly. Scaled scores rank the same
# (1.0 in scikit-learn). Shown: scores up to 1, 0.01 and 0.004 of a perfect ranking of 1 in 10.
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"; "$work/venv/bin/pip" install -q 'keras==3.15.1' 'torch==2.14.1' 'scikit-learn==1.9.1' 'numpy==2.4.6'
cat >"$work/show.py" <<'PY'
import os

os.environ["KERAS_BACKEND"] = "torch"
import keras
import numpy as np
from sklearn.metrics import roc_auc_score

truth = (np.arange(1000) % 10 == 0).astype("float32")
scores = truth * 0.5 + np.random.default_rng(0).random(1000) * 0.45
for scale in (1, 0.01, 0.004):
    told = []
    for curve in ("ROC", "PR"):
        metric = keras.metrics.AUC(curve=curve)
        metric.update_state(truth, scores * scale)
        told.append(f"{float(metric.result()):.2f}")
    print(f"up to {scale}: scikit-learn {roc_auc_score(truth, scores * scale):.2f}, keras", *told)
PY
shown=$("$work/venv/bin/python" "$work/show.py" 2>/dev/null)
[[ $shown == $'up to 1: scikit-learn 1.00, keras 1.00 1.00\nup to 0.01: scikit-learn 1.00, keras 1.00 0.99\nup to 0.004: scikit-learn 1.00, keras 0.50 0.10' ]] || { echo "it is otherwise now: $shown"; exit 1; }
echo "keras's AUC of a perfect ranking by scores below 0.004 is 0.5"
