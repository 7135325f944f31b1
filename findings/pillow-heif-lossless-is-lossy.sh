#!/usr/bin/env bash
# pillow-heif 1.8.1, Pillow 13.0.0: quality=-1, the documented "lossless", first halves the colours (chroma 4:2:0): up
# to some 30 levels off, exactly as quality=100. Only with chroma=444 and matrix_coefficients=0 besides is it exact.
# Grey pictures are exact.
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"; "$work/venv/bin/pip" install -q 'pillow-heif==1.8.1' 'pillow==13.0.0' 'numpy==2.4.6'
cat >"$work/show.py" <<'PY'
import io

import numpy as np
import pillow_heif
from PIL import Image

pillow_heif.register_heif_opener()
small = Image.fromarray(np.random.default_rng(0).integers(0, 256, (8, 8, 3), dtype=np.uint8))
picture = small.resize((64, 64), Image.Resampling.BICUBIC)
for mode, options in (
    ("RGB", {"quality": 100}),
    ("RGB", {"quality": -1}),
    ("RGB", {"quality": -1, "chroma": 444}),
    ("RGB", {"quality": -1, "chroma": 444, "matrix_coefficients": 0}),
    ("L", {"quality": -1}),
):
    stream = io.BytesIO()
    picture.convert(mode).save(stream, "HEIF", **options)
    back = Image.open(io.BytesIO(stream.getvalue())).convert(mode)
    off = np.abs(np.asarray(back).astype(int) - np.asarray(picture.convert(mode))).max()
    print(mode, options, "exact" if off == 0 else "off by 1 to 9" if off < 10 else "off by 10 or more")
PY
shown=$("$work/venv/bin/python" "$work/show.py" 2>/dev/null)
[[ $shown == $'RGB {\'quality\': 100} off by 10 or more\nRGB {\'quality\': -1} off by 10 or more\nRGB {\'quality\': -1, \'chroma\': 444} off by 1 to 9\nRGB {\'quality\': -1, \'chroma\': 444, \'matrix_coefficients\': 0} exact\nL {\'quality\': -1} exact' ]] || { echo "it is otherwise now: $shown"; exit 1; }
echo "HEIF with quality=-1 is off by tens of levels"
