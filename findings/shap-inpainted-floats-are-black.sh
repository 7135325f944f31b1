#!/usr/bin/env bash
# shap 0.51.0: the Image masker with "inpaint_telea" or "inpaint_ns" casts the picture to uint8 to fill in what is
# hidden: a picture of floats of 0 to 1 becomes black as a whole, what is shown too, and one that is standardised wraps.
# All coalitions but the full and the empty one then look alike to the net, and the attributions are of a black picture.
# A blur and a number are right, and so is the same picture in 0 to 255. Means of the shown half, which is 0.8 (or 204):
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"; "$work/venv/bin/pip" install -q 'shap==0.51.0' 'numpy==2.4.6' 'opencv-python-headless==5.0.0.93'
cat >"$work/show.py" <<'PY'
import numpy as np
import shap

picture = np.full((16, 16, 3), 0.8, dtype=np.float32)
shown = np.zeros((16, 16, 3), dtype=bool)
shown[:, :8] = True
for value in ("inpaint_telea", "inpaint_ns", "blur(3,3)", 0.5):
    masker = shap.maskers.Image(value, picture.shape)
    means = []
    for scale in (1, 255):
        (masked,) = masker(shown.ravel(), picture * scale)
        means.append(f"{np.asarray(masked).reshape(picture.shape)[:, :8].mean():.1f}")
    print(value, *means)
PY
shown=$("$work/venv/bin/python" "$work/show.py" 2>/dev/null)
[[ $shown == $'inpaint_telea 0.0 204.0\ninpaint_ns 0.0 204.0\nblur(3,3) 0.8 204.0\n0.5 0.8 204.0' ]] || { echo "it is otherwise now: $shown"; exit 1; }
echo "shap's inpainting makes a picture of floats black"
