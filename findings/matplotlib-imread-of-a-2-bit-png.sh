#!/usr/bin/env bash
# matplotlib 3.11.2: imread gives a PNG as floats from 0 to 1, but divides by the largest value of the file's bits after
# Pillow has already stretched them to 8: white of a grey PNG with 2 bits is 85, with 4 bits 17. 1, 8 and 16 bits are
# right.
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"; "$work/venv/bin/pip" install -q 'matplotlib==3.11.2' 'pillow==13.0.0' 'numpy==2.4.6'
cat >"$work/show.py" <<'PY'
import io
import struct
import zlib

import matplotlib.image
import numpy as np
from PIL import Image


def png(bits):
    """Give a grey ramp of 16 columns from black to white, as a PNG of so many bits."""
    levels = np.arange(16) * (2**bits - 1) // 15
    row = int("".join(f"{level:0{bits}b}" for level in levels), 2).to_bytes(2 * bits, "big")
    file = b"\x89PNG\r\n\x1a\n"
    for kind, data in (
        (b"IHDR", struct.pack(">IIBBBBB", 16, 1, bits, 0, 0, 0, 0)),
        (b"IDAT", zlib.compress(b"\0" + row)),
        (b"IEND", b""),
    ):
        file += struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
    return file


for bits in (1, 2, 4, 8, 16):
    white = matplotlib.image.imread(io.BytesIO(png(bits))).max()
    print(bits, "matplotlib", round(float(white), 2), "Pillow", np.asarray(Image.open(io.BytesIO(png(bits)))).max())
PY
shown=$("$work/venv/bin/python" "$work/show.py" 2>/dev/null)
[[ $shown == $'1 matplotlib 1.0 Pillow True\n2 matplotlib 85.0 Pillow 255\n4 matplotlib 17.0 Pillow 255\n8 matplotlib 1.0 Pillow 255\n16 matplotlib 1.0 Pillow 65535' ]] || { echo "it is otherwise now: $shown"; exit 1; }
echo "white is 85 in a PNG of 2 bits, 17 in one of 4"
