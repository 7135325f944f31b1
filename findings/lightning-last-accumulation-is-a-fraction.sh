#!/usr/bin/env bash
# lightning 2.6.6: with accumulate_grad_batches=4 every loss is divided by 4, also those of the last window of an epoch,
# which is stepped with what is left: of 5 batches the fifth makes a step of its own with a quarter of its gradient.
# With SGD that step is a quarter, with momentum and weight decay it counts in full beside a quarter of the gradient,
# and a batch's weight depends on its place in the epoch. A data set of 4n + 1 batches gives such a step each epoch,
# where the schedule counts it whole.
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"; "$work/venv/bin/pip" install -q 'lightning==2.6.6' 'torch==2.14.1' 'numpy==2.4.6'
cat >"$work/show.py" <<'PY'
import lightning as L
import torch
from torch.utils.data import DataLoader


class Slope(L.LightningModule):
    def __init__(self):
        super().__init__()
        self.weight = torch.nn.Parameter(torch.zeros(1))
        self.steps = []

    def training_step(self, batch, index):
        return (self.weight * batch).mean()

    def on_before_optimizer_step(self, optimizer):
        self.steps.append(round(self.weight.grad.item(), 3))

    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), lr=0.1)


for batches in (4, 5, 7):
    net = Slope()
    quiet = dict.fromkeys(("logger", "enable_checkpointing", "enable_progress_bar", "enable_model_summary"), False)
    trainer = L.Trainer(max_epochs=1, accumulate_grad_batches=4, accelerator="cpu", devices=1, **quiet)
    trainer.fit(net, DataLoader(torch.ones(batches, 1)))
    print(batches, "batches with gradient 1: steps of", *net.steps)
PY
shown=$("$work/venv/bin/python" "$work/show.py" 2>/dev/null)
[[ $shown == $'4 batches with gradient 1: steps of 1.0\n5 batches with gradient 1: steps of 1.0 0.25\n7 batches with gradient 1: steps of 1.0 0.75' ]] || { echo "it is otherwise now: $shown"; exit 1; }
echo "the last accumulation of an epoch is divided by the full number of batches"
