#!/usr/bin/env bash
# scikit-image 0.26.0: filters.gaussian of a colour picture H x W x 3 blurs over the colours as well: a red picture
# becomes (0.70, 0.30, 0.06) with sigma 1 and nearly grey with 4, so blur as an augmentation or a corruption test also
# takes the colour. Nothing warns. unsharp_mask moves the colours apart. channel_axis=-1 keeps them. A picture of pure
# red, and a bluish grey (0.4, 0.5, 0.6):
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"; "$work/venv/bin/pip" install -q 'scikit-image==0.26.0' 'numpy==2.4.6'
cat >"$work/show.py" <<'PY'
import numpy as np
from skimage.filters import gaussian, unsharp_mask

red = np.zeros((16, 16, 3))
red[..., 0] = 1
for sigma in (1, 4):
    for options in ({}, {"channel_axis": -1}):
        print(sigma, options, *(f"{value:.2f}" for value in gaussian(red, sigma=sigma, **options)[8, 8]))
grey = np.zeros((16, 16, 3)) + (0.4, 0.5, 0.6)
for options in ({}, {"channel_axis": -1}):
    print("unsharp", options, *(f"{value:.2f}" for value in unsharp_mask(grey, radius=1, **options)[8, 8]))
PY
shown=$("$work/venv/bin/python" "$work/show.py" 2>/dev/null)
[[ $shown == $'1 {} 0.70 0.30 0.06\n1 {\'channel_axis\': -1} 1.00 0.00 0.00\n4 {} 0.55 0.45 0.35\n4 {\'channel_axis\': -1} 1.00 0.00 0.00\nunsharp {} 0.36 0.50 0.64\nunsharp {\'channel_axis\': -1} 0.44 0.50 0.56' ]] || { echo "it is otherwise now: $shown"; exit 1; }
echo "skimage's gaussian makes red (0.70, 0.30, 0.06)"
