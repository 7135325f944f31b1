#!/usr/bin/env bash
# scipy 1.17.1: scipy.ndimage answers in the type of the picture. Of uint8, `laplace` (its variance is the usual measure
# of blur) wraps below 0: the sharp picture scores no higher than one blurred by 4 pixels, where in floats it scores 9
# times as much. `gaussian_filter` and `uniform_filter` cut fractions off after each axis: a smoothed picture is 1.0 and
# 0.7 levels darker. `scipy.signal.convolve2d` wraps too: 3 x 3 white pixels are at most 255 instead of 2295.
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"; "$work/venv/bin/pip" install -q 'scipy==1.17.1' 'numpy==2.4.6'
cat >"$work/show.py" <<'PY'
import numpy as np
from scipy import ndimage, signal

smooth = ndimage.gaussian_filter(np.random.default_rng(0).random((128, 128)), 3)
sharp = np.clip((smooth - 0.5) * 1200 + 128, 0, 255)
scores = {}
for blur in (0, 4):
    picture = (ndimage.gaussian_filter(sharp, blur) if blur else sharp).astype(np.uint8)
    scores[blur] = ndimage.laplace(picture).var(), ndimage.laplace(picture.astype(float)).var()
ratio = [sharpness / blurred for sharpness, blurred in zip(scores[0], scores[4], strict=True)]
print(f"sharp to blurred: uint8 {ratio[0]:.1f} float {ratio[1]:.1f}")
picture = sharp.astype(np.uint8)
for name in ("gaussian_filter", "uniform_filter"):
    print(f"{name} {getattr(ndimage, name)(picture, 3).mean() - picture.mean():.1f}")
white, ones = np.full((8, 8), 255, np.uint8), np.ones((3, 3), np.uint8)
print("convolve2d", signal.convolve2d(white, ones).max(), signal.convolve2d(white.astype(int), ones).max())
PY
shown=$("$work/venv/bin/python" "$work/show.py")
[[ $shown == $'sharp to blurred: uint8 1.0 float 9.3\ngaussian_filter -1.0\nuniform_filter -0.7\nconvolve2d 255 2295' ]] || { echo "it is otherwise now: $shown"; exit 1; }
echo "filters of uint8 pictures wrap or darken"
