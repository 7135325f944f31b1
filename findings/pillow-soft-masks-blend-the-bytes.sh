#!/usr/bin/env bash
# Pillow 13.0.0: paste and composite with a mask that isn't 0 or 255 blend the four bytes of an integer or float, each by
# itself: with a mask of 128 half of 1.0 and 2.0 in mode F is 3, of -1.0 and 1.0 infinity, of 0.0 and 1.0 next to 0; half
# of -1 and 0 in mode I is two billion. Pictures of 8 bits and colours are right. So a soft edge or a shaded cutout in a
# depth map or a picture in floats is noise. Each mixed with a mask of 128, by composite and by paste:
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"; "$work/venv/bin/pip" install -q 'pillow==13.0.0'
cat >"$work/show.py" <<'PY'
from PIL import Image

half = Image.new("L", (1, 1), 128)
for mode, pairs in (
    ("L", ((0, 200),)),
    ("I", ((1000, 7000), (-1, 0), (255, 256))),
    ("F", ((0.0, 1.0), (1.0, 2.0), (-1.0, 1.0), (1000.0, 7000.0))),
):
    for below, above in pairs:
        ground, laid = Image.new(mode, (1, 1), below), Image.new(mode, (1, 1), above)
        composed = Image.composite(laid, ground, half).getpixel((0, 0))
        ground.paste(laid, (0, 0), half)
        print(mode, below, above, f"{composed:g}", f"{ground.getpixel((0, 0)):g}")
PY
shown=$("$work/venv/bin/python" "$work/show.py")
[[ $shown == $'L 0 200 100 100\nI 1000 7000 4000 4000\nI -1 0 2.13906e+09 2.13906e+09\nI 255 256 383 383\nF 0.0 1.0 1.6263e-19 1.6263e-19\nF 1.0 2.0 3 3\nF -1.0 1.0 inf inf\nF 1000.0 7000.0 5452 5452' ]] || { echo "it is otherwise now: $shown"; exit 1; }
echo "a soft mask blends the bytes of floats and integers"
