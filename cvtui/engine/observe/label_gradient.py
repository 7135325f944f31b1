"""Labels of a batch, read from the loss's gradient at the model's outputs."""

from __future__ import annotations

import torch
from torch import Tensor

CLEAR = 0.95
"""Share of rows whose gradient must point at one label."""


def labels_from(output: Tensor, gradient: Tensor, sign: int) -> Tensor | None:
    """Return the labels (N) that the gradient at the outputs shows; None where it shows none.

    Of N x C the label's entry alone is below 0 (above 0 where the loss was negated). Of one output the loss's formula
    is solved for the label.
    """
    if gradient.shape != output.shape or not gradient.numel():
        return None
    if output.dim() == 1 or output.shape[1] == 1:
        return _of_one_output(output.reshape(-1), gradient.reshape(-1))
    below = (gradient < 0).sum(1)
    above = (gradient > 0).sum(1)
    flipped = sign < 0 or (output.shape[1] > 2 and (above == 1).float().mean() >= CLEAR > (below == 1).float().mean())
    pointed = above if flipped else below
    if (pointed == 1).float().mean() < CLEAR:
        return None
    return gradient.argmax(1) if flipped else gradient.argmin(1)


def _of_one_output(output: Tensor, gradient: Tensor) -> Tensor | None:
    """Solve the gradients of binary cross-entropies and squares for whole labels; at least one of them not 0."""
    count, sizes = len(output), gradient[gradient != 0].abs()
    if count > 1 and output.std() > 1e-3 and len(sizes) and sizes.max() - sizes.min() <= 1e-5 * sizes.max():
        return None  # the loss is a straight line of its outputs: it is none of these
    inside = (output > 0) & (output < 1)
    for share in (count, 1):
        scaled = gradient * share
        for solved, known in (
            (output - scaled * output * (1 - output), inside),
            (output.sigmoid() - scaled, torch.ones_like(inside)),
            (output - scaled / 2, torch.ones_like(inside)),
        ):
            known = known & (gradient != 0)
            whole = solved.round()
            near = ((solved - whole).abs() < 2e-3) & (whole >= 0)
            if known.any() and near[known].all() and known.float().mean() >= CLEAR and whole[known].max() > 0:
                return whole.long().clamp_min(0)
    return None
