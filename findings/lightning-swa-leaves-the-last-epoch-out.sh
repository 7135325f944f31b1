#!/usr/bin/env bash
# lightning 2.6.6: StochasticWeightAveraging takes the weights as each epoch begins, from its first one on. With
# swa_epoch_start=3 of 6 epochs one would expect the mean of the net after the third to the sixth epoch; it is that
# after the second to the fifth: the weights from before the averaging began are in it, and the last epoch is trained
# for nothing. (Counted from 0 the two are further apart.) Validation and checkpoints during these epochs are of the
# plain net. With a weight that grows by 2 in each epoch: its value after each, the mean that one would expect, and what
# is in the net after fit:
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"; "$work/venv/bin/pip" install -q 'lightning==2.6.6' 'torch==2.14.1' 'numpy==2.4.6'
cat >"$work/show.py" <<'PY'
import logging
import warnings

import lightning
import torch
from lightning.pytorch.callbacks import StochasticWeightAveraging

warnings.simplefilter("ignore")
logging.getLogger("lightning.pytorch").setLevel(logging.ERROR)


class Growing(lightning.LightningModule):
    def __init__(self):
        super().__init__()
        self.weight, self.after = torch.nn.Parameter(torch.zeros(())), []

    def training_step(self, batch, number):
        return -self.weight

    def on_train_epoch_end(self):
        self.after.append(self.weight.item())

    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), 1.0)


net = Growing()
averaging = StochasticWeightAveraging(swa_lrs=1.0, swa_epoch_start=3, annealing_epochs=1)
quiet = {"logger": False, "enable_checkpointing": False, "enable_progress_bar": False, "enable_model_summary": False}
trainer = lightning.Trainer(max_epochs=6, accelerator="cpu", callbacks=[averaging], **quiet)
trainer.fit(net, torch.utils.data.DataLoader(torch.zeros(2)))
after = net.after[:6]
print(after, "expected", sum(after[2:]) / 4, "found", net.weight.item())
PY
shown=$("$work/venv/bin/python" "$work/show.py" 2>/dev/null)
[[ $shown == $'[2.0, 4.0, 6.0, 8.0, 10.0, 12.0] expected 9.0 found 7.0' ]] || { echo "it is otherwise now: $shown"; exit 1; }
echo "the average of StochasticWeightAveraging is without the last epoch"
