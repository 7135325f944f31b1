#!/usr/bin/env bash
# torchvision 0.29.1: ToDtype(scale=True) multiplies by just under one more than the largest integer, in the type of the
# picture. In float16 and bfloat16 that rounds up to 256, in float32 for uint16 to 65536, and white wraps to 0: white
# becomes black in v2.ToDtype and in convert_image_dtype, without an error (float32 to int32 raises). A uint16 picture
# through float32 and back loses its white; equalize of half pictures and adjust_gamma, adjust_hue of uint16 ones, which
# convert inside, as well.
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"; "$work/venv/bin/pip" install -q 'torch==2.14.1' 'torchvision==0.29.1' 'numpy==2.4.6'
cat >"$work/show.py" <<'PY'
import torch
from torchvision.transforms import v2

picture = torch.tensor([0.0, 0.5, 0.99, 1.0]).expand(3, 1, 4)
for source in (torch.float32, torch.float16, torch.bfloat16):
    for target in (torch.uint8, torch.uint16):
        shown = v2.ToDtype(target, scale=True)(picture.to(source))
        print(source, target, shown[0, 0].tolist())
shown = v2.ToDtype(torch.float32, scale=True)(torch.tensor([[[0, 65535]]], dtype=torch.uint16))
print("and back", v2.ToDtype(torch.uint16, scale=True)(shown).flatten().tolist())
print("a bfloat16 picture equalized", v2.functional.equalize(torch.tensor([[[0.0, 1.0]]]).bfloat16()).flatten().tolist())
print("a uint16 picture, gamma 1", v2.functional.adjust_gamma(torch.tensor([[[0, 65535]]], dtype=torch.uint16), 1.0).tolist())
PY
shown=$("$work/venv/bin/python" "$work/show.py" 2>/dev/null)
[[ $shown == $'torch.float32 torch.uint8 [0, 127, 253, 255]\ntorch.float32 torch.uint16 [0, 32768, 64880, 0]\ntorch.float16 torch.uint8 [0, 128, 253, 0]\ntorch.float16 torch.uint16 [0, 32768, 64896, 0]\ntorch.bfloat16 torch.uint8 [0, 128, 253, 0]\ntorch.bfloat16 torch.uint16 [0, 32768, 64768, 0]\nand back [0, 0]\na bfloat16 picture equalized [0.0, 0.0]\na uint16 picture, gamma 1 [[[0, 0]]]' ]] || { echo "it is otherwise now: $shown"; exit 1; }
echo "white is 0 in uint8 from half precision, and in uint16 from float32"
