#!/usr/bin/env bash
# ultralytics 8.4.190: before a classifier is trained, each JPEG that doesn't end with its end marker is opened, turned
# by its orientation and saved over the file with quality 100. Photographs of telephones carry bytes behind the marker
# (a moving picture, the maker's notes), so a look at a data set writes into it: the originals are gone, with date,
# place and orientation, and each is several times as large; hashes, and boxes or points in the sensor's coordinates, no
# longer fit. It is told in one line of the log ("corrupt JPEG restored and saved"). The file before and after: size of
# the picture, EXIF tags, the bytes behind the marker, and whether it grew to more than twice:
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"; "$work/venv/bin/pip" install -q 'ultralytics==8.4.190' 'torch==2.14.1' 'torchvision==0.29.1' 'pillow==13.0.0' 'numpy==2.4.6'
cat >"$work/show.py" <<'PY'
import tempfile
from pathlib import Path

import numpy as np
from PIL import Image
from ultralytics import YOLO

folder = Path(tempfile.mkdtemp())
rng = np.random.default_rng(0)
for split in ("train", "val"):
    for name in ("cat", "dog"):
        (folder / split / name).mkdir(parents=True)
        for number in range(2):
            picture = Image.fromarray(rng.integers(0, 255, (5, 8, 3), dtype=np.uint8)).resize((96, 60))
            picture.save(folder / split / name / f"{number}.jpg")
photograph = folder / "train" / "cat" / "0.jpg"
exif = Image.Exif()
exif[274], exif[306] = 6, "2026:05:01 12:00:00"
Image.open(photograph).copy().save(photograph, exif=exif)
photograph.write_bytes(photograph.read_bytes() + b"\0\0\0\0MotionPhoto_Data")


def look():
    with Image.open(photograph) as opened:
        return opened.size, dict(opened.getexif()), photograph.read_bytes().endswith(b"MotionPhoto_Data")


size = photograph.stat().st_size
print("before", *look(), flush=True)
net = YOLO("yolo11n-cls.yaml")
net.train(data=str(folder), epochs=1, imgsz=32, batch=4, device="cpu", workers=0, project=str(folder / "out"), plots=False, amp=False)
print("after", *look(), photograph.stat().st_size > 2 * size)
PY
shown=$(YOLO_CONFIG_DIR=$work YOLO_VERBOSE=False "$work/venv/bin/python" "$work/show.py" 2>/dev/null)
[[ $shown == $'before (96, 60) {274: 6, 306: \'2026:05:01 12:00:00\'} True\nafter (60, 96) {} False True' ]] || { echo "it is otherwise now: $shown"; exit 1; }
echo "training writes photographs anew, turned and without their EXIF"
