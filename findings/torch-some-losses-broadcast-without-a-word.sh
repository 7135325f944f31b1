#!/usr/bin/env bash
# torch 2.14.1: of scores N x 1 (a head with one output) and labels N, mse_loss, l1_loss and smooth_l1_loss warn,
# binary_cross_entropy_with_logits and soft_margin_loss raise. hinge_embedding_loss, poisson_nll_loss and kl_div compare
# each score with each label, N x N, and say nothing: each score is drawn to all labels alike. Shape of the losses of
# four:
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"; "$work/venv/bin/pip" install -q 'torch==2.14.1' 'numpy==2.4.6'
cat >"$work/show.py" <<'PY'
import warnings

import torch
import torch.nn.functional as F

scores, labels = torch.zeros(4, 1), torch.tensor([1.0, -1.0, 1.0, -1.0])
names = "mse_loss l1_loss smooth_l1_loss binary_cross_entropy_with_logits soft_margin_loss"
for name in (*names.split(), "hinge_embedding_loss", "poisson_nll_loss", "kl_div"):
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        try:
            shape = tuple(getattr(F, name)(scores, labels, reduction="none").shape)
        except (RuntimeError, ValueError):
            shape = "raises"
    print(f"{name} {shape}{', warns' if said else ''}")
PY
shown=$("$work/venv/bin/python" "$work/show.py" 2>/dev/null)
[[ $shown == $'mse_loss (4, 4), warns\nl1_loss (4, 4), warns\nsmooth_l1_loss (4, 4), warns\nbinary_cross_entropy_with_logits raises\nsoft_margin_loss raises\nhinge_embedding_loss (4, 4)\npoisson_nll_loss (4, 4)\nkl_div (4, 4)' ]] || { echo "it is otherwise now: $shown"; exit 1; }
echo "hinge_embedding_loss, poisson_nll_loss and kl_div of N x 1 and N are N x N"
