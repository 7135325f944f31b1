#!/usr/bin/env bash
# Pillow 13.0.0: convert("I;16") of a picture in floats goes through 8 bits: 300 and 40000 become 255, so a depth map in
# millimetres that is saved as a 16-bit PNG is white. By way of mode I the values stay, and so do those of integers.
# Floats that aren't whole are cut, not rounded. What 0.9, 200, 300 and 40000 become:
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"; "$work/venv/bin/pip" install -q 'pillow==13.0.0'
cat >"$work/show.py" <<'PY'
import io

from PIL import Image

for value in (0.9, 200, 300, 40000):
    depth = Image.new("F", (1, 1), value)
    file = io.BytesIO()
    depth.convert("I;16").save(file, "PNG")
    saved = Image.open(io.BytesIO(file.getvalue())).getpixel((0, 0))
    by_way_of_i = depth.convert("I").convert("I;16").getpixel((0, 0))
    print(value, "saved", saved, "by way of I", by_way_of_i, "integer", Image.new("I", (1, 1), int(value)).convert("I;16").getpixel((0, 0)))
PY
shown=$("$work/venv/bin/python" "$work/show.py")
[[ $shown == $'0.9 saved 0 by way of I 0 integer 0\n200 saved 200 by way of I 200 integer 200\n300 saved 255 by way of I 300 integer 300\n40000 saved 255 by way of I 40000 integer 40000' ]] || { echo "it is otherwise now: $shown"; exit 1; }
echo "floats made 16-bit by Pillow end at 255"
