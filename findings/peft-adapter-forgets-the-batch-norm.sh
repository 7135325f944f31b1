#!/usr/bin/env bash
# peft 0.21.2: training LoRA adapters on a ResNet moves the running means and variances of its batch norms, which belong
# to the net below. save_pretrained writes the adapters and modules_to_save alone: one would expect the adapter on the
# net that it was trained on to answer as it did, but the statistics are those of other pictures; and disable_adapter()
# doesn't give the first net back. Nothing warns. The names of the batch norms in modules_to_save keep them, base layers
# in eval() never move. How far the largest logit is off after saving and loading, whether the net with its adapter
# disabled is the first one, and how far it is off with the batch norms saved:
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"; "$work/venv/bin/pip" install -q 'peft==0.21.2' 'torch==2.14.1' 'torchvision==0.29.1' 'transformers==5.24.0' 'numpy==2.4.6'
cat >"$work/show.py" <<'PY'
import copy
import tempfile

import torch
import torchvision
from peft import LoraConfig, PeftModel, get_peft_model

torch.manual_seed(0)
start = torchvision.models.resnet18(num_classes=4).eval()
pictures, labels = torch.randn(64, 3, 32, 32) * 0.5 + 2, torch.randint(4, (64,))


def train_and_load(*kept):
    config = LoraConfig(target_modules=["conv1", "conv2"], r=4, modules_to_save=["fc", *kept])
    net = get_peft_model(copy.deepcopy(start), config).train()
    optimizer = torch.optim.SGD([weight for weight in net.parameters() if weight.requires_grad], 0.01)
    for _ in range(20):
        loss = torch.nn.functional.cross_entropy(net(pictures), labels)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    with torch.no_grad(), tempfile.TemporaryDirectory() as folder:
        trained = net.eval()(pictures)
        net.save_pretrained(folder)
        loaded = PeftModel.from_pretrained(copy.deepcopy(start), folder).eval()(pictures)
        with net.disable_adapter():
            disabled = net(pictures)
    off = (trained - loaded).abs().max() / trained.abs().max()
    return bool(off > 0.1), bool(torch.equal(disabled, start(pictures)))


print("loaded is off by more than a tenth: %s, the disabled adapter gives the first net: %s" % train_and_load())
print("with the batch norms saved: %s" % train_and_load("bn1", "bn2", "downsample.1")[0])
PY
shown=$("$work/venv/bin/python" "$work/show.py" 2>/dev/null)
[[ $shown == $'loaded is off by more than a tenth: True, the disabled adapter gives the first net: False\nwith the batch norms saved: False' ]] || { echo "it is otherwise now: $shown"; exit 1; }
echo "an adapter of a net with batch norm answers otherwise after it was saved and loaded"
