#!/usr/bin/env bash
# transformers 5.24.0: the Trainer leaves a NaN or infinite loss out of what it logs. By its documentation the average
# of the other steps stands in for it; where all steps since the last log are NaN, which is how a run looks that has
# diverged, there are none, and it logs a training loss of exactly 0: the best of the run. The final train_loss counts
# these zeros in and is lower than it ever was. grad_norm alone is NaN; logging_nan_inf_filter=False shows it. Logs of
# 16 steps, NaN from the seventh on, with the filter and without:
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"; "$work/venv/bin/pip" install -q 'transformers==5.24.0' 'accelerate==1.15.0' 'torch==2.14.1' 'numpy==2.4.6'
cat >"$work/show.py" <<'PY'
import tempfile

import torch
from transformers import PrinterCallback, Trainer, TrainingArguments, ViTConfig, ViTForImageClassification

small = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 16}


class Pictures(torch.utils.data.Dataset):
    def __len__(self):
        return 64

    def __getitem__(self, number):
        picture = torch.randn(3, 8, 8, generator=torch.Generator().manual_seed(number))
        return {"pixel_values": picture, "labels": number % 2}


class Diverging(Trainer):
    def compute_loss(self, *args, **options):
        loss = super().compute_loss(*args, **options)
        return loss * float("nan") if self.state.global_step >= 6 else loss


for kept_out in (True, False):
    torch.manual_seed(0)
    net = ViTForImageClassification(ViTConfig(image_size=8, patch_size=4, num_labels=2, **small))
    options = {"per_device_train_batch_size": 4, "num_train_epochs": 1, "logging_steps": 4, "save_strategy": "no"}
    options |= {"report_to": [], "use_cpu": True, "disable_tqdm": True, "logging_nan_inf_filter": kept_out}
    trainer = Diverging(net, TrainingArguments(tempfile.mkdtemp(), **options), train_dataset=Pictures())
    trainer.remove_callback(PrinterCallback)
    trainer.train()
    rows = trainer.state.log_history
    losses = [round(row["loss"], 1) for row in rows if "loss" in row]
    print(losses, f"train_loss {rows[-1]['train_loss']:.1f}, grad_norm at the end {rows[-2]['grad_norm']}")
PY
shown=$("$work/venv/bin/python" "$work/show.py" 2>/dev/null)
[[ $shown == $'[0.7, 0.6, 0.0, 0.0] train_loss 0.3, grad_norm at the end nan\n[0.7, nan, nan, nan] train_loss nan, grad_norm at the end nan' ]] || { echo "it is otherwise now: $shown"; exit 1; }
echo "the Trainer logs a loss of 0 for a run that has diverged"
