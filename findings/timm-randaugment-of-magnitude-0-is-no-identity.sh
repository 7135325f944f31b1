#!/usr/bin/env bash
# timm 1.0.31: the magnitude of "rand-m..." without "-inc1" isn't a strength: Color, Contrast, Brightness and Sharpness
# have the factor 0.1 at 0, none at 5 and 1.9 at 10, and Solarize turns all pixels round at 0. So a search over m from 0
# on begins with the strongest, and 5 is the weakest. With "-inc1" 0 changes nothing in these. The factor of contrast at
# magnitudes 0, 5 and 10, and the mean change of a picture in levels at 0, 5 and 9:
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"; "$work/venv/bin/pip" install -q 'timm==1.0.31' 'pillow==13.0.0' 'torch==2.14.1' 'torchvision==0.29.1' 'numpy==2.4.6'
cat >"$work/show.py" <<'PY'
import random

import numpy as np
from PIL import Image
from timm.data.auto_augment import LEVEL_TO_ARG, AugmentOp

pixels = np.random.default_rng(0).integers(0, 256, (32, 32, 3), dtype=np.uint8)
print("factor", *(f"{LEVEL_TO_ARG['Contrast'](magnitude, {})[0]:.1f}" for magnitude in (0, 5, 10)))
for name in ("Solarize", "Color", "Contrast", "Brightness", "Sharpness"):
    for suffix in ("", "Increasing"):
        moved = []
        for magnitude in (0, 5, 9):
            random.seed(0)
            shown = np.asarray(AugmentOp(name + suffix, prob=1.0, magnitude=magnitude)(Image.fromarray(pixels)))
            moved.append(f"{np.abs(shown.astype(int) - pixels).mean():.0f}")
        print(name + suffix, *moved)
PY
shown=$("$work/venv/bin/python" "$work/show.py" 2>/dev/null)
[[ $shown == $'factor 0.1 1.0 1.9\nSolarize 131 65 26\nSolarizeIncreasing 0 65 105\nColor 48 0 25\nColorIncreasing 0 24 43\nContrast 59 0 26\nContrastIncreasing 0 29 53\nBrightness 115 0 52\nBrightnessIncreasing 0 58 103\nSharpness 33 0 18\nSharpnessIncreasing 0 16 30' ]] || { echo "it is otherwise now: $shown"; exit 1; }
echo "timm's rand-m0 has a contrast of 0.1"
