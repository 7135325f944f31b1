#!/usr/bin/env bash
# datasets 5.2.0: a picture that came from a file is stored as that file's path or bytes for as long as it has its
# `filename`, whatever was done to it in place: in `map`, `thumbnail` of row["image"] or drawing on it change nothing (a
# face that was blacked out is there), where `resize` and a copy, which give new pictures, count. No warning. A white
# JPEG of 32 x 32, what each function leaves of it: width and mean level.
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"; "$work/venv/bin/pip" install -q 'datasets==5.2.0' 'pillow==13.0.0' 'numpy==2.4.6'
cat >"$work/show.py" <<'PY'
import os
import tempfile

import datasets
import numpy as np
from PIL import Image, ImageDraw

datasets.disable_progress_bars()
path = os.path.join(tempfile.mkdtemp(), "face.jpg")
Image.new("RGB", (32, 32), "white").save(path)
features = datasets.Features({"image": datasets.Image()})
rows = datasets.Dataset.from_dict({"image": [path]}, features=features)


def thumbnail(row):
    row["image"].thumbnail((8, 8))
    return row


def resize(row):
    return {"image": row["image"].resize((8, 8))}


def blackened(row):
    ImageDraw.Draw(row["image"]).rectangle((0, 0, 32, 32), fill="black")
    return row


def copied(row):
    return blackened({"image": row["image"].copy()})


for change in (thumbnail, resize, blackened, copied):
    picture = rows.map(change)[0]["image"]
    print(change.__name__, picture.width, f"{np.asarray(picture).mean():.0f}")
PY
shown=$(HF_HUB_OFFLINE=1 HF_HOME="$work/cache" "$work/venv/bin/python" "$work/show.py" 2>/dev/null)
[[ $shown == $'thumbnail 32 255\nresize 8 255\nblackened 32 255\ncopied 32 0' ]] || { echo "it is otherwise now: $shown"; exit 1; }
echo "what map does to a picture in place is lost"
