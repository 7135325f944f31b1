#!/usr/bin/env bash
# torchvision 0.29.1: v2.Resize with bicubic leaves float pictures outside 0..1 (here -0.14 to 1.13, a tenth of the
# pixels of a black and white pattern), where uint8 and Pillow's are clipped: presets with ToDtype before Resize give
# other pictures than with ToDtype after it. Made uint8 again by ToDtype(scale=True) those values wrap: white becomes
# black, black becomes white. ToPILImage wraps too. No warning. Clamped in between it is off by 20 at most: what is left
# is uint8's own rounding between two passes.
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"; "$work/venv/bin/pip" install -q 'torch==2.14.1' 'torchvision==0.29.1' 'pillow==13.0.0' 'numpy==2.4.6'
cat >"$work/show.py" <<'PY'
import numpy as np
import torch
from torchvision.transforms import v2
from torchvision.transforms.v2 import functional as V

torch.manual_seed(0)
whole = (torch.rand(3, 32, 32) > 0.5).to(torch.uint8) * 255
resize = v2.Resize(24, interpolation=v2.InterpolationMode.BICUBIC)
first = resize(V.to_dtype(whole, torch.float32, scale=True))
last = resize(whole)
print(f"{first.min():.2f} to {first.max():.2f}, outside {((first < 0) | (first > 1)).float().mean():.2f}")
print("back in uint8 off by", (V.to_dtype(first, torch.uint8, scale=True).int() - last).abs().max().item())
print("as a PIL picture off by", int(np.abs(np.asarray(V.to_pil_image(first)).astype(int).transpose(2, 0, 1) - last.numpy()).max()))
print("clamped off by", (V.to_dtype(first.clamp(0, 1), torch.uint8, scale=True).int() - last).abs().max().item())
PY
shown=$("$work/venv/bin/python" "$work/show.py" 2>/dev/null)
[[ $shown == $'-0.14 to 1.13, outside 0.10\nback in uint8 off by 255\nas a PIL picture off by 255\nclamped off by 20' ]] || { echo "it is otherwise now: $shown"; exit 1; }
echo "bicubic of floats leaves 0..1, and wraps to the other end in uint8"
