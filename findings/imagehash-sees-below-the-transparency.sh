#!/usr/bin/env bash
# ImageHash 4.3.2: all hashes take a picture to grey without its alpha, so what is seen of a transparent picture
# doesn't count, and what is hidden does: two black icons of other shapes are one (distance 0), and two pictures that
# look the same but for the colour under their transparency are as far apart as strangers (of 64 bits). Distances:
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"; "$work/venv/bin/pip" install -q 'imagehash==4.3.2' 'pillow==13.0.0' 'numpy==2.4.6' 'scipy==1.17.1'
cat >"$work/show.py" <<'PY'
import imagehash
import numpy as np
from PIL import Image


def icon(rows, columns, hidden=0):
    picture = np.zeros((64, 64, 4), np.uint8)
    picture[..., :3] = hidden
    picture[rows, columns] = (0, 0, 0, 255)
    return Image.fromarray(picture)


square, bar = icon(slice(16, 48), slice(16, 48)), icon(slice(0, 64), slice(0, 20))
noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3))
same = icon(slice(16, 48), slice(16, 48), noise)
white = Image.new("RGBA", (64, 64), "white")
assert Image.alpha_composite(white, square) == Image.alpha_composite(white, same)
for name in ("average_hash", "phash", "dhash", "whash"):
    key = getattr(imagehash, name)
    print(f"{name}: other shapes {key(square) - key(bar)}, the same look more than 15: {key(square) - key(same) > 15}")
PY
shown=$("$work/venv/bin/python" "$work/show.py")
[[ $shown == $'average_hash: other shapes 0, the same look more than 15: True\nphash: other shapes 0, the same look more than 15: True\ndhash: other shapes 0, the same look more than 15: True\nwhash: other shapes 0, the same look more than 15: True' ]] || { echo "it is otherwise now: $shown"; exit 1; }
echo "of transparent pictures the hidden colours are hashed"
