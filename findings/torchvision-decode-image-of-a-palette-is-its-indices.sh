#!/usr/bin/env bash
# torchvision 0.29.1, Pillow 13.0.0: decode_image, by default, of a PNG with a palette (optimised PNGs, most GIF-like
# data sets) gives one channel: the indices into the palette, which look like a grey picture and aren't one. A folder of
# mixed PNGs gives 1 and 3 channels, no warning; the index order changes with the file. mode="RGB" is right, as is
# decode_image of a GIF. Pillow's mode "P" through pil_to_tensor is the same, default ImageFolder converts.
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"; "$work/venv/bin/pip" install -q 'torch==2.14.1' 'torchvision==0.29.1' 'pillow==13.0.0' 'numpy==2.4.6'
cat >"$work/show.py" <<'PY'
import io

import numpy as np
import torch
from PIL import Image
from torchvision.io import decode_image

ramp = np.zeros((4, 64, 3), np.uint8)
ramp[..., 0] = np.arange(64) * 4
picture = Image.fromarray(ramp).convert("P", palette=Image.Palette.ADAPTIVE, colors=64)
true = np.asarray(picture.convert("RGB"))
for kind in ("PNG", "GIF"):
    stream = io.BytesIO()
    picture.save(stream, kind)
    data = torch.frombuffer(bytearray(stream.getvalue()), dtype=torch.uint8)
    shown, asked = decode_image(data), decode_image(data, mode="RGB")
    indices = shown.shape[0] == 1 and np.array_equal(shown[0].numpy(), np.asarray(picture))
    right = np.array_equal(asked.permute(1, 2, 0).numpy(), true)
    print(kind, tuple(shown.shape), "indices" if indices else "colours", 'mode="RGB" right' if right else "wrong")
PY
shown=$("$work/venv/bin/python" "$work/show.py" 2>/dev/null)
[[ $shown == $'PNG (1, 4, 64) indices mode="RGB" right\nGIF (3, 4, 64) colours mode="RGB" right' ]] || { echo "it is otherwise now: $shown"; exit 1; }
echo "decode_image of a palette PNG gives the indices as a grey picture"
