#!/usr/bin/env bash
# torcheval 0.0.7: top-k accuracy counts how many scores are larger than the true class's, so a tie is always a hit: a
# net whose logits are all equal (a dead one, a fresh one with a zeroed head) has top-2 and top-5 accuracy 1 on any
# labels. Comparisons with NaN are False, so a net that answers NaN has 1 too. With k=1, the argmax, both are at chance.
# On ten classes:
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"; "$work/venv/bin/pip" install -q 'torch==2.14.1' 'numpy==2.4.6' 'torcheval==0.0.7' 'typing-extensions==4.16.0'
cat >"$work/show.py" <<'PY'
import torch
from torcheval.metrics.functional import multiclass_accuracy

labels = torch.arange(10)
for what, logits in (("equal", torch.zeros(10, 10)), ("NaN", torch.full((10, 10), torch.nan))):
    print(what, *(round(multiclass_accuracy(logits, labels, k=k).item(), 2) for k in (1, 2, 5)))
PY
shown=$("$work/venv/bin/python" "$work/show.py" 2>/dev/null)
[[ $shown == $'equal 0.1 1.0 1.0\nNaN 0.1 1.0 1.0' ]] || { echo "it is otherwise now: $shown"; exit 1; }
echo "top-5 accuracy is 1 for equal logits and for NaN"
