#!/usr/bin/env bash
# torchvision 0.29.1, Pillow 13.0.0: transforms.ToTensor, v2.functional.to_tensor too, gives int16 for a 16-bit picture:
# 40000 is -25536 and white, 65535, is -1: the brighter half of an X-ray is below black. pil_to_tensor and v2.ToImage give
# uint16 with the values as they are. For pictures of 8 bits ToTensor gives 0 to 1 in float32.
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"; "$work/venv/bin/pip" install -q 'pillow==13.0.0' 'torchvision==0.29.1' 'torch==2.14.1' 'numpy==2.4.6'
cat >"$work/show.py" <<'PY'
import io

import numpy as np
from PIL import Image
from torchvision import transforms
from torchvision.transforms import v2

png = io.BytesIO()
Image.fromarray(np.array([[0, 30000, 40000, 65535]], np.uint16)).save(png, "PNG")
picture = Image.open(io.BytesIO(png.getvalue()))
print(picture.mode)
for name, turned in (
    ("ToTensor", transforms.ToTensor()(picture)),
    ("v2 to_tensor", v2.functional.to_tensor(picture)),
    ("PILToTensor", transforms.PILToTensor()(picture)),
    ("v2.ToImage", v2.ToImage()(picture)),
):
    print(name, str(turned.dtype)[6:], turned.flatten().tolist())
PY
shown=$("$work/venv/bin/python" "$work/show.py" 2>/dev/null)
[[ $shown == $'I;16\nToTensor int16 [0, 30000, -25536, -1]\nv2 to_tensor int16 [0, 30000, -25536, -1]\nPILToTensor uint16 [0, 30000, 40000, 65535]\nv2.ToImage uint16 [0, 30000, 40000, 65535]' ]] || { echo "it is otherwise now: $shown"; exit 1; }
echo "ToTensor makes white of 16 bits -1"
