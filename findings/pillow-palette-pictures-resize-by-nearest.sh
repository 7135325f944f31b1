#!/usr/bin/env bash
# Pillow 13.0.0: resize of a picture with a palette (PNG-8, GIF) or of one bit takes the nearest pixel whatever filter
# is asked for: black and white lines shrunk by 3 with BICUBIC stay black and white, where the same picture converted to
# RGB first is grey. torchvision's Resize on such a PIL image does likewise. So files saved with a palette look
# otherwise to a net than the same pictures in true colour. Is black or white in the shrunk picture, by Pillow and by
# torchvision?
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"; "$work/venv/bin/pip" install -q 'pillow==13.0.0' 'torchvision==0.29.1' 'torch==2.14.1' 'numpy==2.4.6'
cat >"$work/show.py" <<'PY'
import numpy as np
from PIL import Image
from torchvision.transforms import v2

pixels = np.zeros((24, 24), np.uint8)
pixels[::2] = 255
grey = Image.fromarray(pixels)
for mode in ("L", "RGB", "P", "1"):
    picture = grey.convert(mode)
    small = picture.resize((8, 8), Image.Resampling.BICUBIC).convert("L")
    vision = v2.Resize((8, 8), interpolation=v2.InterpolationMode.BICUBIC)(picture).convert("L")
    told = [len(set(np.asarray(one)[3:6].ravel().tolist()) & {0, 255}) > 0 for one in (small, vision)]
    print(mode, "black or white in it:", *told)
PY
shown=$("$work/venv/bin/python" "$work/show.py" 2>/dev/null)
[[ $shown == $'L black or white in it: False False\nRGB black or white in it: False False\nP black or white in it: True True\n1 black or white in it: True True' ]] || { echo "it is otherwise now: $shown"; exit 1; }
echo "a picture with a palette is resized by its nearest pixels"
