#!/usr/bin/env bash
# tinygrad 0.14.0: the cross-entropy of a label that is no class (10 of 10 classes, or -100) is 0, without an error: a
# net with too few outputs trains, with a loss that is too low. And `ignore_index=-1` isn't honoured as another number
# is: -1 means "none" inside, so the mean is over the ignored pictures too: 0.12 where -100 gives 0.24, as PyTorch does
# with either. Mean loss of two pictures, right by the same, when the second has the label given:
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"; "$work/venv/bin/pip" install -q 'tinygrad==0.14.0' 'numpy==2.4.6'
cat >"$work/show.py" <<'PY'
from tinygrad import Tensor

logits = Tensor([[2.0, 0.0, 0.0], [0.0, 2.0, 0.0]])
for label in (1, 3, -100):
    losses = (logits.sparse_categorical_crossentropy, logits.cross_entropy)
    print(label, *(f"{loss(Tensor([0, label])).item():.2f}" for loss in losses))
for ignored in (-1, -100):
    loss = logits.sparse_categorical_crossentropy(Tensor([0, ignored]), ignore_index=ignored)
    print("ignored", ignored, f"{loss.item():.2f}")
PY
shown=$(DEV=PYTHON "$work/venv/bin/python" "$work/show.py")
[[ $shown == $'1 0.24 0.24\n3 0.12 0.12\n-100 0.12 0.12\nignored -1 0.12\nignored -100 0.24' ]] || { echo "it is otherwise now: $shown"; exit 1; }
echo "a label that is no class costs nothing in tinygrad"
