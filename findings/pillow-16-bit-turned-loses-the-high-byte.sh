#!/usr/bin/env bash
# Pillow 13.0.0: a 16-bit grey picture (mode I;16) that is rotated or transformed with bilinear or bicubic
# interpolation comes back with values of 0 to 255 alone, of which nothing can be made; resize with the same filters, and
# rotation with nearest, are right. ImageStat and histogram() take the low and the high bytes for pixels: the mean of a
# picture of 40,000s is 110. No error in any of them.
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"; "$work/venv/bin/pip" install -q 'pillow==13.0.0' 'numpy==2.4.6'
cat >"$work/show.py" <<'PY'
import numpy as np
from PIL import Image, ImageStat

picture = Image.fromarray(np.full((32, 32), 40_000, np.uint16))


def middle(image):
    return np.asarray(image)[10:22, 10:22].max()


def most(image):
    return "at most 255" if np.asarray(image).max() <= 255 else middle(image)


print("rotate nearest", middle(picture.rotate(10)))
print("rotate bilinear", most(picture.rotate(10, resample=Image.Resampling.BILINEAR)))
moved = picture.transform((32, 32), Image.Transform.AFFINE, (1, 0.1, 0, 0, 1, 0.5), resample=Image.Resampling.BICUBIC)
print("transform bicubic", most(moved))
print("resize bilinear", middle(picture.resize((20, 20), Image.Resampling.BILINEAR)))
print("mean", int(ImageStat.Stat(picture).mean[0]))
PY
shown=$("$work/venv/bin/python" "$work/show.py" 2>/dev/null)
[[ $shown == $'rotate nearest 40000\nrotate bilinear at most 255\ntransform bicubic at most 255\nresize bilinear 40000\nmean 110' ]] || { echo "it is otherwise now: $shown"; exit 1; }
echo "16-bit pictures rotated with bilinear or bicubic are 8 bits of noise"
