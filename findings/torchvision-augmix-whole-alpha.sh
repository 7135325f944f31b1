#!/usr/bin/env bash
# torchvision 0.29.1 (torch 2.14.1): v2.AugMix(alpha=1) is made without a word, and raises NotImplementedError
# ("dirichlet" not implemented for 'Long') at its first picture; alpha=1.0 works.
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"; "$work/venv/bin/pip" install -q 'torch==2.14.1' 'torchvision==0.29.1' numpy
cat >"$work/show.py" <<'PY'
import torch
from torchvision.transforms import v2

picture = torch.zeros(3, 8, 8, dtype=torch.uint8)
for alpha in (1, 1.0):
    change = v2.AugMix(alpha=alpha)
    try:
        print(alpha, tuple(change(picture).shape))
    except NotImplementedError as error:
        print(alpha, "NotImplementedError", "dirichlet" in str(error) and "Long" in str(error))
PY
shown=$("$work/venv/bin/python" "$work/show.py" 2>/dev/null)
[[ $shown == $'1 NotImplementedError True\n1.0 (3, 8, 8)' ]] || { echo "it is otherwise now: $shown"; exit 1; }
echo "alpha=1: NotImplementedError at the first picture; alpha=1.0: works"
