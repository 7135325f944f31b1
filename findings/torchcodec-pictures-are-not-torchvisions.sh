#!/usr/bin/env bash
# torchcodec 0.17.0, torchvision 0.29.1: torchvision's deprecated decode_image points to torchcodec's of the same name
# and modes, which gives other pictures: it turns by the EXIF orientation (JPEG and PNG), where torchvision doesn't
# unless asked; of 16 bits it keeps 8, in UNCHANGED too (output_dtype="auto" keeps them); UNCHANGED of CMYK is the other
# way round (0 for 255); UNCHANGED of a palette is RGB, not the indices. A net trained on one and run on the other sees
# lying pictures, and 16-bit depth or class maps lose their low byte. RGB of 8 bits without orientation is the same.
# Shape, type and first pixel:
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"; "$work/venv/bin/pip" install -q 'torchcodec==0.17.0' 'torch==2.14.1' 'torchvision==0.29.1' 'pillow==13.0.0' 'numpy==2.4.6'
cat >"$work/show.py" <<'PY'
import io

import numpy as np
import torch
from PIL import Image
from torchcodec import decoders
from torchvision import io as vision

pixels = np.zeros((4, 6, 3), np.uint8) + np.array([200, 50, 90], np.uint8)
colour, turned = Image.fromarray(pixels), Image.Exif()
turned[274] = 6
indices = Image.new("P", (6, 4), 1)
indices.putpalette([0, 0, 0, 200, 50, 90] + [0] * 762)
for name, picture, form, mode, options in (
    ("plain", colour, "PNG", "RGB", {}),
    ("JPEG with orientation", colour, "JPEG", "RGB", {"exif": turned}),
    ("PNG with orientation", colour, "PNG", "RGB", {"exif": turned}),
    ("16 bits", Image.fromarray(np.full((4, 6), 30000, np.uint16)), "PNG", "UNCHANGED", {}),
    ("CMYK", Image.new("CMYK", (6, 4), (0, 255, 255, 0)), "JPEG", "UNCHANGED", {}),
    ("palette", indices, "PNG", "UNCHANGED", {}),
):
    file = io.BytesIO()
    picture.save(file, form, **options)
    raw = torch.frombuffer(bytearray(file.getvalue()), dtype=torch.uint8)
    for library in (vision, decoders):
        shown = library.decode_image(raw, mode=getattr(library.ImageReadMode, mode))
        values = [round(value / 8) * 8 if name.startswith("JPEG") else value for value in shown[:, 0, 0].tolist()]
        print(name, mode, library.__name__.split(".")[0], tuple(shown.shape), str(shown.dtype)[6:], values)
PY
shown=$("$work/venv/bin/python" "$work/show.py" 2>/dev/null)
[[ $shown == $'plain RGB torchvision (3, 4, 6) uint8 [200, 50, 90]\nplain RGB torchcodec (3, 4, 6) uint8 [200, 50, 90]\nJPEG with orientation RGB torchvision (3, 4, 6) uint8 [200, 48, 96]\nJPEG with orientation RGB torchcodec (3, 6, 4) uint8 [200, 48, 96]\nPNG with orientation RGB torchvision (3, 4, 6) uint8 [200, 50, 90]\nPNG with orientation RGB torchcodec (3, 6, 4) uint8 [200, 50, 90]\n16 bits UNCHANGED torchvision (1, 4, 6) uint16 [30000]\n16 bits UNCHANGED torchcodec (1, 4, 6) uint8 [117]\nCMYK UNCHANGED torchvision (4, 4, 6) uint8 [255, 0, 0, 255]\nCMYK UNCHANGED torchcodec (4, 4, 6) uint8 [0, 255, 255, 0]\npalette UNCHANGED torchvision (1, 4, 6) uint8 [1]\npalette UNCHANGED torchcodec (3, 4, 6) uint8 [200, 50, 90]' ]] || { echo "it is otherwise now: $shown"; exit 1; }
echo "torchcodec turns pictures by EXIF and keeps 8 of 16 bits, torchvision doesn't"
