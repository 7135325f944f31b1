#!/usr/bin/env bash
# torchmetrics 1.9.0: `MetricTracker.best_metric` of steps one of which is NaN gives the NaN, as the largest with
# maximize=True and as the smallest with maximize=False: best_metric(return_step=True) names the epoch that failed. No
# warning.
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"; "$work/venv/bin/pip" install -q 'torchmetrics==1.9.0' 'torch==2.14.1' 'numpy==2.4.6'
cat >"$work/show.py" <<'PY'
import torch
from torchmetrics import MeanMetric, MetricTracker

for maximize in (True, False):
    tracker = MetricTracker(MeanMetric(nan_strategy="disable"), maximize=maximize)
    for value in (0.3, 0.9, float("nan"), 0.5):
        tracker.increment()
        tracker.update(torch.tensor(value))
    print("the largest" if maximize else "the smallest", *tracker.best_metric(return_step=True))
PY
shown=$("$work/venv/bin/python" "$work/show.py" 2>/dev/null)
[[ $shown == $'the largest nan 2\nthe smallest nan 2' ]] || { echo "it is otherwise now: $shown"; exit 1; }
echo "the best step is the one that is NaN"
