#!/usr/bin/env bash
# tensorboardX 2.6.5: `add_image` multiplies whatever isn't uint8 by 255 and casts, which wraps: levels of 0 to 255 as
# int64 or floats are shown as their negative, black but for 0 becomes white, and a picture standardised to -1..1 begins
# anew at 0: its darker half is as bright as the other. No warning; torch.utils.tensorboard cuts and shows white. Levels
# that the event file holds for 0, 51, 102, 153, 204 and 255:
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"; "$work/venv/bin/pip" install -q 'tensorboardX==2.6.5' 'tensorboard==2.21.0' 'numpy==2.4.6' 'Pillow==13.0.0'
cat >"$work/show.py" <<'PY'
import io
import sys

import numpy as np
from PIL import Image
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboardX import SummaryWriter

levels = np.arange(0, 256, 51)[None]
pictures = {
    "uint8": levels.astype(np.uint8),
    "int64": levels,
    "float": levels.astype(np.float32),
    "0..1": levels / 255,
    "-1..1": (levels / 127.5 - 1),
}
with SummaryWriter(sys.argv[1]) as writer:
    for name, picture in pictures.items():
        writer.add_image(name, picture, 0, dataformats="HW")
log = EventAccumulator(sys.argv[1])
log.Reload()
for name in pictures:
    shown = Image.open(io.BytesIO(log.Images(name)[0].encoded_image_string))
    print(name, *np.asarray(shown)[0, :, 0])
PY
shown=$("$work/venv/bin/python" "$work/show.py" "$work/log" 2>/dev/null)
levels='0 51 102 153 204 255' negative='0 205 154 103 52 1'
[[ $shown == "uint8 $levels"$'\n'"int64 $negative"$'\n'"float $negative"$'\n'"0..1 $levels"$'\n''-1..1 1 103 206 50 153 255' ]] || { echo "it is otherwise now: $shown"; exit 1; }
echo "tensorboardX shows integer pictures as negatives"
