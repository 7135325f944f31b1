#!/usr/bin/env bash
# OpenCV 5.0.0: where a number is given for a picture of three channels, cv2.add, subtract, multiply, divide, absdiff and
# compare take it for all channels; min, max, bitwise_and, bitwise_or, bitwise_xor and inRange for the first one alone,
# with 0 for the others. So cv2.min(picture, 240) makes green and red black, and inRange(picture, 0, 100) finds only
# pixels without green and red. numpy's minimum takes it for all. A pixel of 50, 50, 50:
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"; "$work/venv/bin/pip" install -q 'opencv-python-headless==5.0.0.93' 'numpy==2.4.6'
cat >"$work/show.py" <<'PY'
import cv2
import numpy as np

grey = np.full((4, 4, 3), 50, np.uint8)
for name in ("add", "subtract", "multiply", "divide", "absdiff", "min", "max", "bitwise_and", "bitwise_or", "bitwise_xor"):
    print(name, *(f"{number} {getattr(cv2, name)(grey, number)[0, 0].tolist()}" for number in (2, 240)))
print("compare", cv2.compare(grey, 60, cv2.CMP_LT)[0, 0].tolist())
print("inRange", cv2.inRange(grey, 0, 100)[0, 0], "of three", cv2.inRange(grey, (0, 0, 0), (100, 100, 100))[0, 0])
print("numpy", np.minimum(grey, 240)[0, 0].tolist())
PY
shown=$("$work/venv/bin/python" "$work/show.py")
[[ $shown == $'add 2 [52, 52, 52] 240 [255, 255, 255]\nsubtract 2 [48, 48, 48] 240 [0, 0, 0]\nmultiply 2 [100, 100, 100] 240 [255, 255, 255]\ndivide 2 [25, 25, 25] 240 [0, 0, 0]\nabsdiff 2 [48, 48, 48] 240 [190, 190, 190]\nmin 2 [2, 0, 0] 240 [50, 0, 0]\nmax 2 [50, 50, 50] 240 [240, 50, 50]\nbitwise_and 2 [2, 0, 0] 240 [48, 0, 0]\nbitwise_or 2 [50, 50, 50] 240 [242, 50, 50]\nbitwise_xor 2 [48, 50, 50] 240 [194, 50, 50]\ncompare [255, 255, 255]\ninRange 0 of three 255\nnumpy [50, 50, 50]' ]] || { echo "it is otherwise now: $shown"; exit 1; }
echo "cv2.min(picture, 240) makes the second and third channel black"
