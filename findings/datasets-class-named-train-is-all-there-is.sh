#!/usr/bin/env bash
# datasets 5.2.0: load_dataset("imagefolder") looks for train, test, val, eval, dev and the like in the names of folders
# and files below the folder that it is given. Of class folders bicycle, bus and train (as in VOC, COCO and CIFAR-100)
# only train is read, as a split without labels; of test_zone, stop and yield only the first, as the split "test". In
# class folders with files named 1.png, 2.png, test_1.png and val-2.png the unnamed ones are dropped and there is no
# split "train". Nothing warns. data_files={"train": "**"} reads all.
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"; "$work/venv/bin/pip" install -q 'datasets==5.2.0' 'pillow==13.0.0' 'numpy==2.4.6'
cat >"$work/show.py" <<'PY'
import tempfile
from pathlib import Path

import datasets
from PIL import Image

datasets.disable_progress_bars()


def load(classes, names, **options):
    folder = Path(tempfile.mkdtemp())
    for name in classes:
        (folder / name).mkdir()
        for file in names:
            Image.new("RGB", (4, 4)).save(folder / name / f"{file}.png")
    found = datasets.load_dataset("imagefolder", data_dir=str(folder), cache_dir=tempfile.mkdtemp(), **options)
    return {split: (len(rows), rows.features["label"].names if "label" in rows.features else "no labels") for split, rows in found.items()}


print(load(["bicycle", "bus", "car"], "12"))
print(load(["bicycle", "bus", "train"], "12"))
print(load(["test_zone", "stop", "yield"], "12"))
print(load(["cat", "dog"], ["1", "2", "test_1", "val-2"]))
print(load(["bicycle", "bus", "train"], "12", data_files={"train": "**"}))
PY
shown=$("$work/venv/bin/python" "$work/show.py" 2>/dev/null)
[[ $shown == $'{\'train\': (6, [\'bicycle\', \'bus\', \'car\'])}\n{\'train\': (2, \'no labels\')}\n{\'test\': (2, \'no labels\')}\n{\'validation\': (2, [\'cat\', \'dog\']), \'test\': (2, [\'cat\', \'dog\'])}\n{\'train\': (6, [\'bicycle\', \'bus\', \'train\'])}' ]] || { echo "it is otherwise now: $shown"; exit 1; }
echo "of the classes bicycle, bus and train only train is read"
