#!/usr/bin/env bash
# torch 2.14.1: AveragedModel(use_buffers=True) averages integer buffers too and cuts the fraction off: after 20 updates
# batch norm's num_batches_tracked is 1 (the plain mean) or 10 (EMA of 0.9) where the model's is 20. Under momentum=None
# the counter is the weight of the next batch: 1/2 instead of 1/21, so one batch of variance 100 makes running_var 50.
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"; "$work/venv/bin/pip" install -q 'torch==2.14.1' numpy
cat >"$work/show.py" <<'PY'
import torch
from torch import nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

torch.manual_seed(0)
for average in ({}, {"multi_avg_fn": get_ema_multi_avg_fn(0.9)}):
    model = nn.BatchNorm1d(1, momentum=None)
    averaged = AveragedModel(model, use_buffers=True, **average)
    for _ in range(20):
        model(torch.randn(10_000, 1))
        averaged.update_parameters(model)
    counter = averaged.module.num_batches_tracked.item()
    averaged.module.train()(10 * torch.randn(10_000, 1))
    print(model.num_batches_tracked.item(), counter, round(averaged.module.running_var.item(), -1))
PY
shown=$("$work/venv/bin/python" "$work/show.py" 2>/dev/null)
[[ $shown == $'20 1 50.0\n20 10 10.0' ]] || { echo "it is otherwise now: $shown"; exit 1; }
echo "20 updates count as 1 (mean) or 10 (EMA); the next batch, of variance 100, weighs 1/2 or 1/11"
