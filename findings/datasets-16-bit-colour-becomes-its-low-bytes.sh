#!/usr/bin/env bash
# datasets 5.2.0: a grey array of 16 bits in a feature Image stays one of 16 bits. A colour one, which Pillow doesn't have,
# one could guess to be scaled to 8 bits or to raise: the low byte of each value is kept, so that 256 is 0 and 40000 is 64,
# with a warning of "downcasting" that says nothing of the values. An int64 colour array is right up to 255, and the same
# above. What comes back:
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"; "$work/venv/bin/pip" install -q 'datasets==5.2.0' 'pillow==13.0.0' 'numpy==2.4.6'
cat >"$work/show.py" <<'PY'
import warnings

import datasets
import numpy as np

datasets.disable_progress_bars()
values = [0, 255, 256, 300, 40000, 65535]
for name, array in {
    "grey uint16": np.array([values], "uint16"),
    "colour uint16": np.array(values, "uint16").reshape(1, 2, 3),
    "colour int64": np.array(values).reshape(1, 2, 3),
}.items():
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        stored = datasets.Dataset.from_dict({"picture": [array]}, features=datasets.Features({"picture": datasets.Image()}))
        picture = stored[0]["picture"]
    print(name, picture.mode, np.asarray(picture).ravel().tolist(), [str(one.message) for one in caught if "cast" in str(one.message)])
PY
shown=$(cd "$work" && "$work/venv/bin/python" "$work/show.py" 2>/dev/null)
[[ $shown == $'grey uint16 I;16 [0, 255, 256, 300, 40000, 65535] []\ncolour uint16 RGB [0, 255, 0, 44, 64, 255] ["Downcasting array dtype uint16 to uint8 to be compatible with \'Pillow\'"]\ncolour int64 RGB [0, 255, 0, 44, 64, 255] ["Downcasting array dtype int64 to uint8 to be compatible with \'Pillow\'"]' ]] || { echo "it is otherwise now: $shown"; exit 1; }
echo "a 16-bit colour array in datasets is its low bytes"
