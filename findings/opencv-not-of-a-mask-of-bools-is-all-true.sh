#!/usr/bin/env bash
# OpenCV 5.0.0: since version 5 a numpy array of bools goes into many functions, where version 4 raised. bitwise_not
# turns the bits of their bytes: True (1) becomes 254 and False 255, so the inverse of a mask is True everywhere, and
# all that it was meant to keep out is kept. ~mask, and bitwise_not of uint8 masks of 0 and 255, are right; bitwise_and,
# or, xor and countNonZero of bools too. For a mask of 3 of 10 pixels: how many are True in ~mask and in
# cv2.bitwise_not(mask), the bytes, and the xor with all True:
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"; "$work/venv/bin/pip" install -q 'opencv-python-headless==5.0.0.93' 'numpy==2.4.6'
cat >"$work/show.py" <<'PY'
import cv2
import numpy as np

mask = np.arange(10) < 3
mask = mask.reshape(2, 5)
turned = cv2.bitwise_not(mask)
print(f"~ {(~mask).sum()}, bitwise_not {turned.sum()} of dtype {turned.dtype}, bytes {np.unique(turned.view(np.uint8)).tolist()}")
print("xor with True", cv2.countNonZero(cv2.bitwise_xor(mask, np.ones_like(mask))))
PY
shown=$("$work/venv/bin/python" "$work/show.py" 2>/dev/null)
[[ $shown == $'~ 7, bitwise_not 10 of dtype bool, bytes [254, 255]\nxor with True 7' ]] || { echo "it is otherwise now: $shown"; exit 1; }
echo "bitwise_not of a mask of bools is True everywhere"
