#!/usr/bin/env bash
# wandb 0.31.0: `wandb.Image` of an array or tensor takes its numbers as 0 to 255 and cuts them: floats of 0 to 1 are
# black, True of a mask is 1 of 255, what is standardised or too large wraps (-1.5 is 255, 300 is 44). No warning.
# Floats must be multiplied by 255 first. Levels of a picture that holds one number, given as an array and as a tensor:
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"; "$work/venv/bin/pip" install -q 'wandb==0.31.0' 'torch==2.14.1' 'pillow==13.0.0' 'numpy==2.4.6'
cat >"$work/show.py" <<'PY'
import numpy as np
import torch
import wandb

one = np.ones((8, 8))
pictures = {"0.9": one * 0.9, "True": one > 0, "-1.5": one * -1.5, "300": (one * 300).astype(int), "200": one * 200}
for name, picture in pictures.items():
    tensor = torch.tensor(picture)[None]
    print(name, *(np.asarray(wandb.Image(shown).image).max() for shown in (picture, tensor)))
PY
shown=$("$work/venv/bin/python" "$work/show.py" 2>/dev/null)
[[ $shown == $'0.9 0 0\nTrue 1 1\n-1.5 255 255\n300 44 44\n200 200 200' ]] || { echo "it is otherwise now: $shown"; exit 1; }
echo "pictures of 0 to 1 are black in W&B"
