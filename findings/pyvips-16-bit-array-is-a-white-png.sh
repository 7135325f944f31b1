#!/usr/bin/env bash
# pyvips 3.2.0 with libvips 8.18.7: a uint16 array written as PNG one could guess to be a PNG of 16 bits, as it is a TIFF of
# 16 bits. The file has 8, and all above 255 is cut: white, without a word. An array says "b-w", a picture of 16 bits would
# have to say "grey16": with copy(interpretation="grey16") the PNG is right. What Pillow and pyvips read back:
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"; "$work/venv/bin/pip" install -q 'pyvips==3.2.0' 'pyvips-binary==8.18.7' 'pillow==13.0.0' 'numpy==2.4.6'
cat >"$work/show.py" <<'PY'
import numpy as np
import pyvips
from PIL import Image

levels = np.array([[0, 100, 300, 1000, 65535]], "uint16")
picture = pyvips.Image.new_from_array(levels)
print(picture.format, picture.interpretation)
picture.write_to_file("plain.tif")
picture.write_to_file("plain.png")
picture.copy(interpretation="grey16").write_to_file("grey16.png")
for name in ("plain.tif", "plain.png", "grey16.png"):
    of_pillow = Image.open(name)
    print(name, of_pillow.mode, *np.asarray(of_pillow).ravel().tolist(), "|", *pyvips.Image.new_from_file(name).numpy().ravel().tolist())
PY
shown=$(cd "$work" && "$work/venv/bin/python" "$work/show.py" 2>/dev/null)
[[ $shown == $'ushort b-w\nplain.tif I;16 0 100 300 1000 65535 | 0 100 300 1000 65535\nplain.png L 0 100 255 255 255 | 0 100 255 255 255\ngrey16.png I;16 0 100 300 1000 65535 | 0 100 300 1000 65535' ]] || { echo "it is otherwise now: $shown"; exit 1; }
echo "a 16-bit array is a PNG of 8 bits in pyvips, white above 255"
