#!/usr/bin/env bash
# datasets 5.2.0, litdata 0.2.76, pillow-jxl-plugin 1.3.8: a picture that was opened from a JPEG file and changed in
# place (a face painted over) is stored as the file that it came from. What was blacked out is in the shards, to be
# seen. No warning; of a `.copy()`, what is there is stored, as webdataset 1.0.2 does always. A white JPEG is painted
# black, stored and read back; its mean level, and that of its copy:
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"; "$work/venv/bin/pip" install -q 'datasets==5.2.0' 'litdata==0.2.76' 'pillow-jxl-plugin==1.3.8' 'webdataset==1.0.2' 'torch==2.14.1' 'torchvision==0.29.1' 'pillow==13.0.0' 'numpy==2.4.6'
cat >"$work/show.py" <<'PY'
import os
import tempfile

import datasets
import numpy as np
import pillow_jxl  # noqa: F401  # makes Pillow read and write .jxl
import webdataset
from litdata import StreamingDataset
from litdata.streaming import Cache
from PIL import Image, ImageDraw

folder = tempfile.mkdtemp()
Image.new("RGB", (32, 32), "white").save(os.path.join(folder, "face.jpg"))
drawn = Image.open(os.path.join(folder, "face.jpg"))
ImageDraw.Draw(drawn).rectangle((0, 0, 32, 32), fill="black")


def table(picture, _place):
    features = datasets.Features({"image": datasets.Image()})
    return np.asarray(datasets.Dataset.from_dict({"image": [picture]}, features=features)[0]["image"])


def litdata(picture, place):
    os.makedirs(place)
    cache = Cache(place, chunk_size=1)
    cache[0] = {"picture": picture}
    cache.done()
    cache.merge()
    return np.asarray(StreamingDataset(place)[0]["picture"])


def jxl(picture, place):
    picture.save(place + ".jxl", lossless=True)
    return np.asarray(Image.open(place + ".jxl"))


def tar(picture, place):
    with webdataset.TarWriter(place + ".tar") as shard:
        shard.write({"__key__": "a", "jpg": picture})
    sample = next(iter(webdataset.WebDataset(place + ".tar", shardshuffle=False).decode("rgb8")))
    return sample["jpg"]


for store in (table, litdata, jxl, tar):
    shown = (store(picture, os.path.join(folder, store.__name__ + name)) for name, picture in (("1", drawn), ("2", drawn.copy())))
    print(store.__name__, *(f"{levels.mean():.0f}" for levels in shown))
PY
shown=$(HF_HUB_OFFLINE=1 HF_HOME="$work/cache" "$work/venv/bin/python" "$work/show.py" 2>/dev/null)
[[ $shown == $'table 255 0\nlitdata 255 0\njxl 255 0\ntar 0 0' ]] || { echo "it is otherwise now: $shown"; exit 1; }
echo "what was painted over in a JPEG is in the shards"
