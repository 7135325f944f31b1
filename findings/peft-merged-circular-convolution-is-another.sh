#!/usr/bin/env bash
# peft 0.21.2: LoRA on a convolution makes its two small convolutions with the kernel size, stride and padding of the
# layer, but not with its padding_mode or dilation. Where the layer pads by "circular" or "reflect" (panoramas, images
# without an edge), or has padding="same" with a dilation, the adapter trains as one with zeros at the edge or without
# dilation, and merge_and_unload() makes one convolution with the layer's own: another net than the one that was trained
# and validated, without a word. (Dilation with a number for padding raises.) LoHa and LoKr are so too.
# How far the merged answers are off, as a share of the largest:
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"; "$work/venv/bin/pip" install -q 'peft==0.21.2' 'torch==2.14.1' 'transformers==5.24.0' 'numpy==2.4.6'
cat >"$work/show.py" <<'PY'
import torch
from peft import LoraConfig, get_peft_model
from torch import nn


def off(**options):
    torch.manual_seed(0)
    net = nn.Sequential()
    net.add_module("conv", nn.Conv2d(8, 12, 3, **options))
    adapted = get_peft_model(net, LoraConfig(target_modules=["conv"], r=4, init_lora_weights=False)).eval()
    x = torch.randn(2, 8, 9, 9)
    before = adapted(x)
    after = adapted.merge_and_unload()(x)
    return float((before - after).abs().max() / before.abs().max())


print(f"zeros {off(padding=1):.1f}, circular {off(padding=1, padding_mode='circular'):.1f}")
print(f"reflect {off(padding=1, padding_mode='reflect'):.1f}, same with dilation {off(padding='same', dilation=2):.1f}")
PY
shown=$("$work/venv/bin/python" "$work/show.py" 2>/dev/null)
[[ $shown == $'zeros 0.0, circular 0.5\nreflect 0.5, same with dilation 0.9' ]] || { echo "it is otherwise now: $shown"; exit 1; }
echo "a merged LoRA of a convolution with circular padding is another net"
