#!/usr/bin/env bash
# imbalanced-learn 0.14.2: SMOTE of uint8 pictures takes their difference in uint8, which wraps: between 200 and 199
# lies 255 instead of -1, and the picture "between" two neighbours is noise of 0 to 255. As floats the same pictures
# give 195 to 204. What comes back is uint8, without a warning:
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"; "$work/venv/bin/pip" install -q 'imbalanced-learn==0.14.2' 'scikit-learn==1.9.1' 'numpy==2.4.6' 'scipy==1.17.1'
cat >"$work/show.py" <<'PY'
import numpy as np
from imblearn.over_sampling import SMOTE

draw = np.random.default_rng(0)
common, rare = draw.integers(0, 50, (40, 64)), draw.integers(195, 205, (8, 64))
labels = [0] * 40 + [1] * 8
for kind in (np.uint8, np.float32):
    pictures = np.vstack([common, rare]).astype(kind)
    new = SMOTE(random_state=0, k_neighbors=3).fit_resample(pictures, labels)[0][48:]
    print(f"pictures of 195 to 204 as {kind.__name__}: new ones of {new.min():.0f} to {new.max():.0f}")
PY
shown=$("$work/venv/bin/python" "$work/show.py")
[[ $shown == $'pictures of 195 to 204 as uint8: new ones of 0 to 255\npictures of 195 to 204 as float32: new ones of 195 to 204' ]] || { echo "it is otherwise now: $shown"; exit 1; }
echo "SMOTE of uint8 pictures makes noise"
