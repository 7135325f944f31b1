#!/usr/bin/env bash
# kornia 0.9.0, torchvision 0.29.1: the factors of kornia's single augmentations mean other things than torchvision's.
# RandomContrast multiplies the pixels: it is torchvision's adjust_brightness, so a grid of contrasts is one of
# brightnesses. RandomBrightness(1.5) adds 0.5. RandomSaturation scales in HSV. Of the two classes that look alike,
# ColorJitter has torchvision's meaning, ColorJiggle kornia's.
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"; "$work/venv/bin/pip" install -q 'kornia==0.9.0' 'torch==2.14.1' 'torchvision==0.29.1' 'numpy==2.4.6'
cat >"$work/show.py" <<'PY'
import kornia.augmentation as K
import torch
import torchvision.transforms.v2.functional as V

x = torch.rand(4, 3, 16, 16, generator=torch.Generator().manual_seed(0)) * 0.5
fixed = (1.5, 1.5)
own = {
    "RandomBrightness": K.RandomBrightness(brightness=fixed, p=1.0),
    "RandomContrast": K.RandomContrast(contrast=fixed, p=1.0),
    "RandomSaturation": K.RandomSaturation(saturation=fixed, p=1.0),
    "ColorJiggle contrast": K.ColorJiggle(contrast=fixed, p=1.0),
    "ColorJitter contrast": K.ColorJitter(contrast=fixed, p=1.0),
    "ColorJitter brightness": K.ColorJitter(brightness=fixed, p=1.0),
}
theirs = {name: getattr(V, f"adjust_{name}")(x, 1.5) for name in ("brightness", "contrast", "saturation")}
theirs["plus 0.5"] = (x + 0.5).clamp(0, 1)
for name, augment in own.items():
    shown = augment(x)
    print(name, "=", *([other for other, y in theirs.items() if torch.allclose(shown, y, atol=1e-3)] or ["none of them"]))
PY
shown=$("$work/venv/bin/python" "$work/show.py" 2>/dev/null)
[[ $shown == $'RandomBrightness = plus 0.5\nRandomContrast = brightness\nRandomSaturation = none of them\nColorJiggle contrast = brightness\nColorJitter contrast = contrast\nColorJitter brightness = brightness' ]] || { echo "it is otherwise now: $shown"; exit 1; }
echo "kornia's RandomContrast is torchvision's brightness, its RandomBrightness adds"
