#!/usr/bin/env bash
# torch 2.14.1: the losses whose labels are 1 and -1 take the labels 1 and 0 that everything else has, without a word, and
# the pairs or pictures of label 0 then have no gradient at all: cosine_embedding_loss gives them 0, soft_margin_loss
# ln 2, margin_ranking_loss and hinge_embedding_loss the margin. So a net learns from its positive pairs alone, and draws
# all pictures together. The loss of each and the largest gradient, for the labels
# 1, -1 and 0:
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"; "$work/venv/bin/pip" install -q 'torch==2.14.1' 'numpy==2.4.6'
cat >"$work/show.py" <<'PY'
import torch
from torch.nn import functional as F

other = torch.tensor([[0.5, 0.1]])
losses = {
    "cosine_embedding_loss": lambda x, y: F.cosine_embedding_loss(x, other, y),
    "soft_margin_loss": lambda x, y: F.soft_margin_loss(x[:, 0], y),
    "margin_ranking_loss": lambda x, y: F.margin_ranking_loss(x[:, 0], other[:, 0], y, margin=0.5),
    "hinge_embedding_loss": lambda x, y: F.hinge_embedding_loss(x[:, 0], y),
}
for name, loss in losses.items():
    print(name, end="")
    for label in (1.0, -1.0, 0.0):
        x = torch.tensor([[0.3, 0.4]], requires_grad=True)
        value = loss(x, torch.tensor([label]))
        value.backward()
        print(f" | {label:.0f}: {value:.2f}, {x.grad.abs().max():.2f}", end="")
    print()
PY
shown=$(cd "$work" && "$work/venv/bin/python" "$work/show.py" 2>/dev/null)
[[ $shown == $'cosine_embedding_loss | 1: 0.25, 1.07 | -1: 0.75, 1.07 | 0: 0.00, 0.00\nsoft_margin_loss | 1: 0.55, 0.43 | -1: 0.85, 0.57 | 0: 0.69, 0.00\nmargin_ranking_loss | 1: 0.70, 1.00 | -1: 0.30, 1.00 | 0: 0.50, 0.00\nhinge_embedding_loss | 1: 0.30, 1.00 | -1: 0.70, 1.00 | 0: 1.00, 0.00' ]] || { echo "it is otherwise now: $shown"; exit 1; }
echo "with labels 0 for -1 four losses have no gradient, without a word"
