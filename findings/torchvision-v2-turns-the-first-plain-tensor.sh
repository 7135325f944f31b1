#!/usr/bin/env bash
# torchvision 0.29.1: of the plain tensors in a sample v2's transforms take the first for the picture and pass the
# others through. In (label, picture) or {"label": ..., "picture": ...} a label that is a tensor is flipped (a one-hot
# row: another class) and the picture isn't augmented; of two views, or picture and depth, only the first is; beside a
# PIL image no tensor is. No error, as long as the transform works on the label's shape. tv_tensors.Image on all of them
# makes it right.
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"; "$work/venv/bin/pip" install -q 'torchvision==0.29.1' 'torch==2.14.1' 'pillow==13.0.0' 'numpy==2.4.6'
cat >"$work/show.py" <<'PY'
import torch
from PIL import Image
from torchvision import tv_tensors
from torchvision.transforms import v2

flip = v2.RandomHorizontalFlip(p=1)
picture, label = torch.arange(12.0).view(1, 3, 4), torch.tensor([1.0, 0.0, 0.0])
pillow = Image.new("L", (4, 4))


def told(name, *sample):
    shown = flip(*sample)
    print(name, *(["flipped" if not torch.equal(a, b) else "as it was" for a, b in zip(shown, sample) if isinstance(b, torch.Tensor)]))


told("picture, label:", picture, label)
told("label, picture:", label, picture)
told("view, other view:", picture, picture.clone())
told("PIL image, tensor:", pillow, picture)
told("Image, Image:", tv_tensors.Image(picture), tv_tensors.Image(picture))
PY
shown=$("$work/venv/bin/python" "$work/show.py" 2>/dev/null)
[[ $shown == $'picture, label: flipped as it was\nlabel, picture: flipped as it was\nview, other view: flipped as it was\nPIL image, tensor: as it was\nImage, Image: flipped flipped' ]] || { echo "it is otherwise now: $shown"; exit 1; }
echo "v2 flips a label that stands before its picture"
