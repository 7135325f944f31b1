#!/usr/bin/env bash
# timm 1.0.31, torchvision 0.29.1, datasets 5.2.0: of the same folders of pictures timm counts the classes by the numbers
# in their names and without regard to capitals, torchvision's ImageFolder and datasets' "imagefolder" as text. So a net
# that was trained by the one and is measured, or used with the class names, of the other has wrong classes, though the
# number of classes and the loss look fine. What is each class's number?
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"; "$work/venv/bin/pip" install -q 'timm==1.0.31' 'torchvision==0.29.1' 'torch==2.14.1' 'datasets==5.2.0' 'numpy==2.4.6' 'pillow==13.0.0'
cat >"$work/show.py" <<'PY'
import datasets
from PIL import Image
from pathlib import Path
from timm.data import create_dataset
from torchvision.datasets import ImageFolder

for name in ("1", "2", "10", "apple", "Cat"):
    folder = Path("pictures", name)
    folder.mkdir(parents=True)
    Image.new("RGB", (8, 8)).save(folder / "0.png")
datasets.disable_progress_bars()
print("timm", *create_dataset("folder", root="pictures").reader.class_to_idx)
print("torchvision", *ImageFolder("pictures").class_to_idx)
print("datasets", *datasets.load_dataset("imagefolder", data_dir="pictures", split="train").features["label"].names)
PY
shown=$(cd "$work" && "$work/venv/bin/python" "$work/show.py" 2>/dev/null)
[[ $shown == $'timm 1 2 10 apple Cat\ntorchvision 1 10 2 Cat apple\ndatasets 1 10 2 Cat apple' ]] || { echo "it is otherwise now: $shown"; exit 1; }
echo "timm and torchvision number the same class folders otherwise"
