#!/usr/bin/env bash
# torchmetrics 1.9.0: a MetricCollection compares the states of its metrics after the first batch and lets those that are
# equal share one from then on, whatever their arguments. Two accuracies, one of them with ignore_index=2: if the first
# batch has no picture of class 2 both give the same for good (0.625 and 0.625); alone, or after a first batch that has one,
# they differ (0.625 and 0.5). compute_groups=False is right.
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"; "$work/venv/bin/pip" install -q 'torch==2.14.1' 'torchmetrics==1.9.0' numpy
cat >"$work/show.py" <<'PY'
import torch
from torchmetrics import MetricCollection
from torchmetrics.classification import MulticlassAccuracy

small = torch.tensor([0, 1]), torch.tensor([0, 1])
large = torch.tensor([1, 1, 0, 2, 2, 2]), torch.tensor([0, 1, 1, 2, 2, 0])


def both(batches, groups=True):
    metrics = {"all": MulticlassAccuracy(3, average="micro"), "but 2": MulticlassAccuracy(3, average="micro", ignore_index=2)}
    collection = MetricCollection(metrics, compute_groups=groups)
    for predictions, labels in batches:
        collection.update(predictions, labels)
    return [round(float(value), 3) for value in collection.compute().values()]


print("first batch without class 2", *both([small, large]))
print("first batch with class 2", *both([large, small]))
print("compute_groups=False", *both([small, large], groups=False))
PY
shown=$("$work/venv/bin/python" "$work/show.py" 2>/dev/null)
[[ $shown == $'first batch without class 2 0.625 0.625\nfirst batch with class 2 0.625 0.5\ncompute_groups=False 0.625 0.5' ]] || { echo "it is otherwise now: $shown"; exit 1; }
echo "which metrics of a collection are one is decided by the first batch's values"
