#!/usr/bin/env bash
# transformers 5.24.0: with gradient_accumulation_steps=4 the Trainer leaves it to a model that takes further keywords,
# as ViTForImageClassification does, to divide its loss by the pictures of all four batches. Its single-label loss does;
# its multi-label and regression losses don't look: gradient and logged loss are 4 times as large as those of one batch
# of the same pictures, and clipping cuts where it didn't. ConvNextForImageClassification is divided by the Trainer, and
# right. Nothing warns. Norm of the gradient and loss for 4 batches of 2 pictures, divided by those for one batch of 8:
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"; "$work/venv/bin/pip" install -q 'transformers==5.24.0' 'accelerate==1.15.0' 'torch==2.14.1' 'numpy==2.4.6'
cat >"$work/show.py" <<'PY'
import contextlib
import io
import tempfile

import torch
from transformers import ConvNextConfig, ConvNextForImageClassification, Trainer, TrainerCallback, TrainingArguments
from transformers import ViTConfig, ViTForImageClassification

small = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 16, "patch_size": 8}
stages = {"hidden_sizes": [8, 8], "depths": [1, 1], "num_stages": 2}
nets = {
    "ViT": lambda **kind: ViTForImageClassification(ViTConfig(image_size=16, **small, **kind)),
    "ConvNeXt": lambda **kind: ConvNextForImageClassification(ConvNextConfig(image_size=16, **stages, **kind)),
}
torch.manual_seed(0)
pictures = torch.randn(8, 3, 16, 16)
labels = {
    "single_label_classification": torch.arange(8) % 3,
    "multi_label_classification": torch.randint(0, 2, (8, 3)).float(),
    "regression": torch.randn(8, 1),
}


class InOrder(Trainer):
    def _get_train_sampler(self, *_args):
        return torch.utils.data.SequentialSampler(self.train_dataset)


class Norm(TrainerCallback):
    def on_pre_optimizer_step(self, args, state, control, model=None, **_rest):
        self.norm = torch.nn.utils.get_total_norm([p.grad for p in model.parameters() if p.grad is not None]).item()


def trained(net, kind, size):
    torch.manual_seed(0)
    model = nets[net](num_labels=1 if kind == "regression" else 3, problem_type=kind)
    data = [{"pixel_values": x, "labels": y} for x, y in zip(pictures, labels[kind], strict=True)]
    norm, options = Norm(), {"report_to": "none", "use_cpu": True, "save_strategy": "no", "disable_tqdm": True}
    with tempfile.TemporaryDirectory() as folder, contextlib.redirect_stdout(io.StringIO()):
        arguments = TrainingArguments(
            folder, per_device_train_batch_size=size, gradient_accumulation_steps=8 // size, num_train_epochs=1,
            max_grad_norm=0.0, logging_steps=1, **options,
        )
        trainer = InOrder(model=model, args=arguments, train_dataset=data, callbacks=[norm])
        trainer.train()
    return norm.norm, trainer.state.log_history[0]["loss"]


for net in nets:
    for kind in labels:
        (norm, loss), (one_norm, one_loss) = trained(net, kind, 2), trained(net, kind, 8)
        print(f"{net} {kind}: {norm / one_norm:.1f} {loss / one_loss:.1f}")
PY
shown=$("$work/venv/bin/python" "$work/show.py" 2>/dev/null)
[[ $shown == $'ViT single_label_classification: 1.0 1.0\nViT multi_label_classification: 4.0 4.0\nViT regression: 4.0 4.0\nConvNeXt single_label_classification: 1.0 1.0\nConvNeXt multi_label_classification: 1.0 1.0\nConvNeXt regression: 1.0 1.0' ]] || { echo "it is otherwise now: $shown"; exit 1; }
echo "a ViT's multi-label and regression losses are 4 times too large with 4 accumulated batches"
