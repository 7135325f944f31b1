#!/usr/bin/env bash
# torchao 0.18.0: quantize_(net, Int8WeightOnlyConfig()) leaves the attention of torchvision's ViT as it was, a third of
# the weights: nn.MultiheadAttention keeps them as plain parameters, and its output layer is a class of its own. timm's
# ViT, the same net, has Linear layers there. Convolutions are left too: of a ResNet-18 4 % of the weights become int8,
# the head. No word of what was left. Share of the weights that are int8:
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"; "$work/venv/bin/pip" install -q 'torchao==0.18.0' 'torch==2.14.1' 'torchvision==0.29.1' 'timm==1.0.31' 'numpy==2.4.6'
cat >"$work/show.py" <<'PY'
import timm
from torchao.quantization import Int8WeightOnlyConfig, quantize_
from torchvision.models import resnet18, vit_b_16

for name, net in (("resnet18", resnet18()), ("vit_b_16", vit_b_16(image_size=32)), ("timm's vit", timm.create_model("vit_base_patch16_224", img_size=32))):
    quantize_(net.eval(), Int8WeightOnlyConfig())
    weights = [value for key, value in net.named_parameters() if value.dim() > 1]
    small = [value.numel() for value in weights if "Int8" in type(value).__name__ + type(value.data).__name__]
    print(name, f"{sum(small) / sum(value.numel() for value in weights):.2f}")
PY
shown=$("$work/venv/bin/python" "$work/show.py" 2>/dev/null)
[[ $shown == $'resnet18 0.04\nvit_b_16 0.67\ntimm\'s vit 0.99' ]] || { echo "it is otherwise now: $shown"; exit 1; }
echo "quantize_ leaves the attention of torchvision's ViT as it was"
