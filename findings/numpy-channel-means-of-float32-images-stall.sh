#!/usr/bin/env bash
# numpy 2.4.6: the usual channel means of a training set of float32 pictures, x.mean((0, 1, 2)) of N x H x W x C, are
# summed one value after the other in float32 (sums in pairs are for the last axis alone): of 50,000 pictures of 32x32x3,
# uniform in 0..1, they come out as 0.3277 = 2^24 / 51.2 million instead of 0.5, and the deviations as 0.314 instead of
# 0.289. As N x C x H x W, or with dtype=float64, the same pictures are right.
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"; "$work/venv/bin/pip" install -q 'numpy==2.4.6'
cat >"$work/show.py" <<'PY'
import numpy as np

x = np.random.default_rng(0).random((50_000, 32, 32, 3), dtype=np.float32)
axes = (0, 1, 2)
print("N H W C", round(float(x.mean(axes)[0]), 4), round(float(x.std(axes)[0]), 3))
wide = round(float(x.mean(axes, dtype=np.float64)[0]), 4), round(float(x[..., :1].std(dtype=np.float64)), 3)
x = np.ascontiguousarray(x.transpose(0, 3, 1, 2))
print("N C H W", round(float(x.mean((0, 2, 3))[0]), 4), round(float(x.std((0, 2, 3))[0]), 3))
print("float64", *wide)
PY
shown=$("$work/venv/bin/python" "$work/show.py" 2>/dev/null)
[[ $shown == $'N H W C 0.3277 0.314\nN C H W 0.5 0.289\nfloat64 0.5 0.289' ]] || { echo "it is otherwise now: $shown"; exit 1; }
echo "channel means of 50,000 float32 pictures N x H x W x C: 0.3277 for 0.5"
