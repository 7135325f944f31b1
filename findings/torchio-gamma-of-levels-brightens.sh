#!/usr/bin/env bash
# torchio 1.2.1: RandomGamma raises the values as they are, without regard to their range: a picture of 0 to 255 comes
# out of 0 to 1,772 for log_gamma = 0.3, and of 0 to 61 for -0.3. In 0 to 1 the same number keeps black and white, as
# kornia's and scikit-image's gamma do, and works the other way: 0.3 darkens. The docstring warns of negative values
# alone. Mean and maximum of a ramp of 0 to 255 (mean 127.5), raised as it is, and raised in 0 to 1:
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"; "$work/venv/bin/pip" install -q 'torchio==1.2.1' 'torch==2.14.1' 'numpy==2.4.6'
cat >"$work/show.py" <<'PY'
import torch
import torchio

ramp = torch.linspace(0, 255, 64).reshape(1, 4, 4, 4)
for strength in (0.3, -0.3):
    raised = torchio.RandomGamma(log_gamma=(strength, strength))
    for scale in (1, 255):
        out = raised(torchio.ScalarImage(tensor=ramp / scale)).data * scale
        print(strength, f"of 0 to {255 // scale}: mean {out.mean():.0f} maximum {out.max():.0f}")
PY
shown=$("$work/venv/bin/python" "$work/show.py" 2>/dev/null)
[[ $shown == $'0.3 of 0 to 255: mean 756 maximum 1772\n0.3 of 0 to 1: mean 109 maximum 255\n-0.3 of 0 to 255: mean 35 maximum 61\n-0.3 of 0 to 1: mean 146 maximum 255' ]] || { echo "it is otherwise now: $shown"; exit 1; }
echo "torchio's gamma leaves the range of a picture"
