#!/usr/bin/env bash
# baal 2.1.0: its heuristics take logits or probabilities, and tell them apart by whether all rows add up to 1 within
# 1e-5. Probabilities of float16, or rounded to four digits in a file, don't, and one such row is enough for all: the
# softmax is taken again, of numbers of 0 to 1, and every picture looks uncertain. No warning. BALD then picks other
# pictures to be labelled, and so does Entropy in part. Of the 100 of 2,000 that come first, whether more than 50, and
# more than 90, are those of the full probabilities, by BALD and Entropy; and the entropy of the surest picture (ln 10
# is 2.3):
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"; "$work/venv/bin/pip" install -q --no-deps 'baal==2.1.0'
"$work/venv/bin/pip" install -q 'torch==2.14.1' 'torchmetrics==1.9.0' 'numpy==2.4.6' 'scipy==1.17.1' 'scikit-learn==1.9.1' 'structlog==22.3.0' 'matplotlib==3.11.2' 'Pillow==13.0.0' 'tqdm==4.70.1'
cat >"$work/show.py" <<'PY'
import numpy as np
from baal.active.heuristics import BALD, Entropy
from scipy.special import softmax

draw = np.random.default_rng(0)
logits = draw.normal(size=(2000, 10, 20)) + draw.normal(size=(2000, 10, 1)) * 3
full = softmax(logits, axis=1)
spoiled = full.copy()
spoiled[-1] = spoiled[-1].round(4)
ways = {"full": full, "float16": full.astype(np.float16), "rounded": full.round(4), "one row": spoiled}
for name, given in ways.items():
    same = [len(set(make()(given)[:100]) & set(make()(full)[:100])) for make in (BALD, Entropy)]
    surest = Entropy().compute_score(given).min()
    print(name, *(count > least for least in (50, 90) for count in same), f"{surest:.1f}")
PY
shown=$("$work/venv/bin/python" -W ignore "$work/show.py" 2>/dev/null)
[[ $shown == $'full True True True True 0.0\nfloat16 False True False False 2.2\nrounded False True False False 2.2\none row False True False True 0.0' ]] || { echo "it is otherwise now: $shown"; exit 1; }
echo "baal takes the softmax of rounded probabilities"
