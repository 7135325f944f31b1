#!/usr/bin/env bash
# lime 0.2.0.1: unless `hide_color` is given, `LimeImageExplainer` hides a superpixel by its own mean colour, which
# hides nothing of a flat one. A net that answers by the brightness of one superpixel, bright and flat, has weights of 0
# for all of them; with hide_color=0 the largest is that superpixel's. No warning. Largest weight and its superpixel,
# for the net that looks at number 5:
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"; "$work/venv/bin/pip" install -q 'lime==0.2.0.1' 'scikit-image==0.26.0' 'scikit-learn==1.9.1' 'numpy==2.4.6' 'scipy==1.17.1'
cat >"$work/show.py" <<'PY'
import numpy as np
from lime.lime_image import LimeImageExplainer

place = np.arange(32) // 8
superpixels = place[:, None] * 4 + place
picture = np.random.default_rng(0).random((32, 32, 3)) * 0.3
picture[superpixels == 5] = 0.9


def net(pictures):
    bright = pictures[:, superpixels == 5].mean((1, 2))
    return np.stack([1 - bright, bright], 1)


for color in (None, 0):
    explained = LimeImageExplainer(random_state=0).explain_instance(
        picture, net, labels=(1,), top_labels=None, hide_color=color, num_samples=300, segmentation_fn=lambda _: superpixels
    )
    where, weight = max(explained.local_exp[1], key=lambda pair: abs(pair[1]))
    print("hide_color", color, f"weight {abs(weight):.2f}", f"of {where}" if abs(weight) > 0.01 else "of all")
PY
shown=$("$work/venv/bin/python" "$work/show.py" 2>/dev/null)
[[ $shown == $'hide_color None weight 0.00 of all\nhide_color 0 weight 0.88 of 5' ]] || { echo "it is otherwise now: $shown"; exit 1; }
echo "LIME hides a flat superpixel by the colour that it has"
