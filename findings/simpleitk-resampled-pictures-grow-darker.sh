#!/usr/bin/env bash
# SimpleITK 2.5.7: what Resample computes between the pixels of a uint8 picture is cut, not rounded, so each resampling,
# turn or shift takes half a level from the picture; Mean does so too, and DiscreteGaussian takes a whole one. OpenCV
# and Pillow round. As float32 it is right. Mean difference to float32 of a random picture of 40 x 40 that is made 64 x
# 64, or smoothed:
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"; "$work/venv/bin/pip" install -q 'SimpleITK==2.5.7' 'numpy==2.4.6'
cat >"$work/show.py" <<'PY'
import numpy as np
import SimpleITK as sitk

pixels = np.random.default_rng(0).integers(0, 256, (40, 40))
step = 40 / 64
start = [-0.5 + step / 2] * 2


def enlarge(picture, how):
    return sitk.Resample(picture, [64, 64], sitk.Transform(), how, start, [step] * 2)


ways = {
    "linear": lambda picture: enlarge(picture, sitk.sitkLinear),
    "B-spline": lambda picture: enlarge(picture, sitk.sitkBSpline),
    "Gaussian": lambda picture: sitk.DiscreteGaussian(picture, 2),
    "mean": sitk.Mean,
}
for name, way in ways.items():
    given = (sitk.GetImageFromArray(pixels.astype(kind)) for kind in (np.uint8, np.float32))
    levels, exact = (sitk.GetArrayFromImage(way(picture)) for picture in given)
    print(name, f"{(levels - exact.clip(0, 255)).mean():.1f}")
PY
shown=$("$work/venv/bin/python" "$work/show.py")
[[ $shown == $'linear -0.5\nB-spline -0.5\nGaussian -1.0\nmean -0.4' ]] || { echo "it is otherwise now: $shown"; exit 1; }
echo "SimpleITK cuts the levels of a resampled picture"
