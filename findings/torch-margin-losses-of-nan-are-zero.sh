#!/usr/bin/env bash
# torch 2.14.1: the loss of a net that answers NaN is NaN, by which everything notices a run that diverged. That of
# multi_margin_loss (the hinge loss) and multilabel_margin_loss is 0, a perfect one, with a gradient of 0; cross_entropy
# and the other margin losses are NaN. One NaN among answers of 1.0, whose hinge loss is 0.9, makes it less. The losses of
# ten NaN answers and of one among ten, and the largest gradient of the first:
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"; "$work/venv/bin/pip" install -q 'torch==2.14.1' 'numpy==2.4.6'
cat >"$work/show.py" <<'PY'
import torch
from torch.nn import functional as F

label, several = torch.tensor([3]), torch.tensor([[3, -1, 0, 0, 0, 0, 0, 0, 0, 0]])
losses = {
    "cross_entropy": lambda x: F.cross_entropy(x, label),
    "multi_margin_loss": lambda x: F.multi_margin_loss(x, label),
    "multilabel_margin_loss": lambda x: F.multilabel_margin_loss(x, several),
    "multilabel_soft_margin_loss": lambda x: F.multilabel_soft_margin_loss(x, (torch.arange(10) == 3).float()[None]),
    "margin_ranking_loss": lambda x: F.margin_ranking_loss(x[:, 5], x[:, 1], torch.ones(1)),
    "hinge_embedding_loss": lambda x: F.hinge_embedding_loss(x, -torch.ones(1, 10)),
    "triplet_margin_loss": lambda x: F.triplet_margin_loss(x, x + 1, x - 1),
}
for name, loss in losses.items():
    one, all_nan = torch.ones(1, 10), torch.full((1, 10), torch.nan, requires_grad=True)
    one[0, 5] = torch.nan
    value = loss(all_nan)
    value.backward()
    print(name, f"{value.item():.2f}", f"{loss(one).item():.2f}", f"{all_nan.grad.abs().max():.2f}")
PY
shown=$(cd "$work" && "$work/venv/bin/python" "$work/show.py" 2>/dev/null)
[[ $shown == $'cross_entropy nan nan nan\nmulti_margin_loss 0.00 0.80 0.00\nmultilabel_margin_loss 0.00 0.80 0.00\nmultilabel_soft_margin_loss nan nan nan\nmargin_ranking_loss nan nan 0.00\nhinge_embedding_loss nan nan 0.00\ntriplet_margin_loss nan nan nan' ]] || { echo "it is otherwise now: $shown"; exit 1; }
echo "the hinge loss of NaN is 0"
