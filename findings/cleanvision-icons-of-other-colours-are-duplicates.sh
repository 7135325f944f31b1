#!/usr/bin/env bash
# cleanvision 0.3.7: exact duplicates are found by a hash of Pillow's bytes, which for a PNG or GIF with a palette are
# its indices, and of the bytes alone, without the size. So a red, a green and a blue icon of one shape, each saved with
# its own palette, are exact duplicates of each other, and so are two wholly red pictures of 64 x 32 and 32 x 64: where
# the colour is the class, what one deletes by the report is data. Saved in RGB the icons aren't. The sets that it
# names:
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"; "$work/venv/bin/pip" install -q 'cleanvision==0.3.7' 'pillow==13.0.0' 'numpy==2.4.6'
cat >"$work/show.py" <<'PY'
import contextlib
import io
import tempfile
from pathlib import Path

import numpy as np
from cleanvision import Imagelab
from PIL import Image

folder = Path(tempfile.mkdtemp())
square = np.zeros((64, 64), bool)
square[16:48, 16:48] = True
for name, colour in (("red", (255, 0, 0)), ("green", (0, 160, 0)), ("blue", (0, 0, 255))):
    picture = np.full((64, 64, 3), 255, np.uint8)
    picture[square] = colour
    Image.fromarray(picture).save(folder / f"{name}-rgb.png")
    Image.fromarray(picture).quantize(2, kmeans=1).save(folder / f"{name}-palette.png")
Image.new("RGB", (64, 32), (200, 10, 10)).save(folder / "wide.png")
Image.new("RGB", (32, 64), (200, 10, 10)).save(folder / "high.png")
with contextlib.redirect_stdout(io.StringIO()):
    lab = Imagelab(data_path=str(folder))
    lab.find_issues({"exact_duplicates": {}}, n_jobs=1)
for found in lab.info["exact_duplicates"]["sets"]:
    print(sorted(Path(path).name for path in found))
PY
shown=$("$work/venv/bin/python" "$work/show.py" 2>/dev/null)
[[ $shown == $'[\'blue-palette.png\', \'green-palette.png\', \'red-palette.png\']\n[\'high.png\', \'wide.png\']' ]] || { echo "it is otherwise now: $shown"; exit 1; }
echo "pictures of one shape in other colours are exact duplicates where they have palettes"
