#!/usr/bin/env bash
# lightning 2.6.6: EMAWeightAveraging(update_starting_at_epoch=2) averages from the first step on, and once more at the
# end of each epoch from 2 on: the two conditions are "or". With update_starting_at_step=6 it does wait, and until then
# each validation is of the untrained weights, which the average still holds: early stopping and the best checkpoint go
# by them. A weight that grows by 1 in each of 3 steps an epoch: what is validated in four epochs, and how many updates
# there were after each:
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"; "$work/venv/bin/pip" install -q 'lightning==2.6.6' 'torch==2.14.1' 'numpy==2.4.6'
cat >"$work/show.py" <<'PY'
import lightning as L
import torch
from lightning.pytorch.callbacks import EMAWeightAveraging
from torch.utils.data import DataLoader


class Climbing(L.LightningModule):
    def __init__(self):
        super().__init__()
        self.weight = torch.nn.Parameter(torch.zeros(1))
        self.validated = []

    def training_step(self, batch, index):
        return -self.weight.sum()

    def validation_step(self, batch, index):
        self.validated.append(round(self.weight.item(), 1))

    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), lr=1.0)


class Counted(EMAWeightAveraging):
    def on_train_epoch_end(self, trainer, net):
        super().on_train_epoch_end(trainer, net)
        counts.append(int(self._average_model.n_averaged))


quiet = dict.fromkeys(("logger", "enable_checkpointing", "enable_progress_bar", "enable_model_summary"), False)
quiet |= {"accelerator": "cpu", "devices": 1, "num_sanity_val_steps": 0, "max_epochs": 4}
for option in ({}, {"update_starting_at_epoch": 2}, {"update_starting_at_step": 6}):
    net, counts = Climbing(), []
    batches = DataLoader(torch.zeros(3, 1)), DataLoader(torch.zeros(1, 1))
    L.Trainer(callbacks=[Counted(decay=0.5, **option)], **quiet).fit(net, *batches)
    print(*option or ("from the start",), "validated", *net.validated, "updates", *counts)
PY
shown=$("$work/venv/bin/python" "$work/show.py" 2>/dev/null)
[[ $shown == $'from the start validated 2.2 5.0 8.0 11.0 updates 3 6 9 12\nupdate_starting_at_epoch validated 2.2 5.0 8.0 11.1 updates 3 6 10 14\nupdate_starting_at_step validated 0.0 0.0 8.2 11.0 updates 0 0 3 6' ]] || { echo "it is otherwise now: $shown"; exit 1; }
echo "EMAWeightAveraging begins at once, or validates the untrained weights"
