#!/usr/bin/env bash
# monai 1.6.1: the "accuracy" of `ConfusionMatrixMetric` is the mean over the classes of one against all others: a
# picture that is given the wrong class is still right for the classes that it was neither. A net that is never right
# has 0.8 with 10 classes, and 0.98 with 100. Its "sensitivity", averaged, is the accuracy where classes are of equal
# size. By number of classes, of a net that is wrong always and of one that is right:
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"; "$work/venv/bin/pip" install -q 'monai==1.6.1' 'torch==2.14.1' 'numpy==2.4.6'
cat >"$work/show.py" <<'PY'
import torch
from monai.metrics import ConfusionMatrixMetric

for classes in (2, 10, 100):
    labels = torch.eye(classes)
    print(classes, "classes:", end="")
    for name, answers in (("wrong", labels.roll(1, 1)), ("right", labels)):
        metric = ConfusionMatrixMetric(metric_name=["accuracy", "sensitivity"], reduction="mean")
        metric(answers, labels)
        accuracy, sensitivity = metric.aggregate()
        print(f" {name}: accuracy {accuracy.item():.2f} sensitivity {sensitivity.item():.2f}", end="")
    print()
PY
shown=$("$work/venv/bin/python" "$work/show.py" 2>/dev/null)
[[ $shown == $'2 classes: wrong: accuracy 0.00 sensitivity 0.00 right: accuracy 1.00 sensitivity 1.00\n10 classes: wrong: accuracy 0.80 sensitivity 0.00 right: accuracy 1.00 sensitivity 1.00\n100 classes: wrong: accuracy 0.98 sensitivity 0.00 right: accuracy 1.00 sensitivity 1.00' ]] || { echo "it is otherwise now: $shown"; exit 1; }
echo "a net that is always wrong has an accuracy of 0.8"
