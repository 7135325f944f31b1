#!/usr/bin/env bash
# torch 2.14.1, tensorboard 2.21.0: `SummaryWriter.add_image` leaves uint8 as it is and multiplies every other type by
# 255: the same levels of 0 to 255 as int64, int32 or float are white but for 0. No warning. The levels that are written
# for a picture of 0, 1 and 100:
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"; "$work/venv/bin/pip" install -q 'torch==2.14.1' 'tensorboard==2.21.0' 'pillow==13.0.0' 'numpy==2.4.6'
cat >"$work/show.py" <<'PY'
import io
import tempfile

import numpy as np
import torch
from PIL import Image
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from torch.utils.tensorboard import SummaryWriter

folder = tempfile.mkdtemp()
kinds = (torch.uint8, torch.int64, torch.int32, torch.float32)
with SummaryWriter(folder) as writer:
    for kind in kinds:
        writer.add_image(str(kind), torch.tensor([[[0, 1, 100]]]).to(kind))
events = EventAccumulator(folder).Reload()
for kind in kinds:
    data = events.Images(str(kind))[0].encoded_image_string
    print(kind, *np.asarray(Image.open(io.BytesIO(data)).convert("L"))[0])
PY
shown=$("$work/venv/bin/python" "$work/show.py" 2>/dev/null)
[[ $shown == $'torch.uint8 0 1 100\ntorch.int64 0 255 255\ntorch.int32 0 255 255\ntorch.float32 0 255 255' ]] || { echo "it is otherwise now: $shown"; exit 1; }
echo "pictures of int64 levels are white in TensorBoard"
