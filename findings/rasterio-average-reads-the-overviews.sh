#!/usr/bin/env bash
# rasterio 1.4.4: read(out_shape=..., resampling=Resampling.average) of a file with overviews averages the nearest
# smaller overview, not the pixels. Overviews are made with "nearest" unless told otherwise, so the average is every
# fourth pixel (a texture that averages to 66 is 255), aliased, and the same scene without overviews gives other
# pictures for the same code. OVERVIEW_LEVEL=NONE as an open option reads the pixels.
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"; "$work/venv/bin/pip" install -q 'rasterio==1.4.4' 'numpy==2.4.6'
cat >"$work/show.py" <<'PY'
import tempfile
from pathlib import Path

import numpy as np
import rasterio
from rasterio.enums import Resampling

pixels = np.zeros((512, 512), np.uint8)
pixels[::4, ::4] = 255
pixels[1::2] = 100
path = str(Path(tempfile.mkdtemp()) / "scene.tif")
with rasterio.open(path, "w", driver="GTiff", height=512, width=512, count=1, dtype="uint8", tiled=True, blockxsize=128, blockysize=128) as file:
    file.write(pixels, 1)


def mean(**options):
    with rasterio.open(path, **options) as file:
        return f"{file.read(1, out_shape=(128, 128), resampling=Resampling.average).mean():.0f}"


print("mean of the pixels", f"{pixels.mean():.0f}", "of the average", mean())
with rasterio.open(path, "r+") as file:
    file.build_overviews([2, 4])
print("with overviews, of the average", mean(), "with OVERVIEW_LEVEL=NONE", mean(OVERVIEW_LEVEL="NONE"))
PY
shown=$("$work/venv/bin/python" "$work/show.py" 2>/dev/null)
[[ $shown == $'mean of the pixels 66 of the average 66\nwith overviews, of the average 255 with OVERVIEW_LEVEL=NONE 66' ]] || { echo "it is otherwise now: $shown"; exit 1; }
echo "the average of a scene with overviews is every fourth pixel"
