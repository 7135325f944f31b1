#!/usr/bin/env bash
# skorch 1.4.0: each `partial_fit` makes the scheduler anew at the epoch that comes, and torch's schedulers take a step
# as they are made: a cut that falls between two calls, which the last epoch has done already, is done once more. Epochs
# by `partial_fit` one at a time, to validate or save in between, have StepLR's and MultiStepLR's cuts squared: 0.01
# for 0.1, which looks like a training that stops learning. In one `fit` the same net has the right rates. Rates of six
# epochs with a cut after the third, by one fit, by six calls, and by a fit of three and a call for three more:
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"; "$work/venv/bin/pip" install -q 'skorch==1.4.0' 'torch==2.14.1' 'numpy==2.4.6' 'scikit-learn==1.9.1' 'scipy==1.17.1'
cat >"$work/show.py" <<'PY'
import numpy as np
from skorch import NeuralNetClassifier
from skorch.callbacks import LRScheduler
from torch import nn

x = np.random.default_rng(0).normal(size=(60, 6)).astype(np.float32)
y = x[:, :3].argmax(1)
for options in ({"policy": "StepLR", "step_size": 3}, {"policy": "MultiStepLR", "milestones": [3]}):
    for calls in ((6,), (1,) * 6, (3, 3)):
        net = NeuralNetClassifier(
            nn.Linear, module__in_features=6, module__out_features=3, criterion=nn.CrossEntropyLoss, lr=1.0,
            train_split=None, verbose=0, callbacks=[LRScheduler(**options)],
        )
        for epochs in calls:
            net.set_params(max_epochs=epochs).partial_fit(x, y)
        print(options["policy"], len(calls), [round(row["event_lr"], 6) for row in net.history])
PY
shown=$("$work/venv/bin/python" "$work/show.py")
one='[1.0, 1.0, 1.0, 0.1, 0.1, 0.1]' more='[1.0, 1.0, 1.0, 0.01, 0.01, 0.01]'
[[ $shown == "StepLR 1 $one"$'\n'"StepLR 6 $more"$'\n'"StepLR 2 $more"$'\n'"MultiStepLR 1 $one"$'\n'"MultiStepLR 6 $more"$'\n'"MultiStepLR 2 $more" ]] || { echo "it is otherwise now: $shown"; exit 1; }
echo "partial_fit of skorch cuts the rate twice"
