"""What is minimised: from logits N x classes and labels N to the batch's mean loss (a scalar)."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor
from torch.nn import functional

from cvtui.recipe.choices.losses import LossChoice
from cvtui.recipe.choices.spec import Chosen

Loss = Callable[[Tensor, Tensor], Tensor]


def cross_entropy(smoothing: float = 0.0) -> Loss:
    """Make −Σ q_j log softmax(s)_j, in one step and so without overflow (PyTorch's cross_entropy).

    q is 1 for the true class; with smoothing ε it is 1 − ε there, and ε / C for every class besides (Szegedy 2016).
    """
    return partial(functional.cross_entropy, label_smoothing=smoothing) if smoothing else functional.cross_entropy


def hinge(margin: float = 1.0) -> Loss:
    """Make Σ_{j≠y} max(0, s_j − s_y + margin): the multi-class SVM loss of the lecture (Weston & Watkins 1999).

    PyTorch's multi_margin_loss is this divided by the number of classes.
    """

    def loss(logits: Tensor, labels: Tensor) -> Tensor:
        scores, truth = _whole(logits), labels.unsqueeze(1)
        above = (scores - scores.gather(1, truth) + margin).clamp_min(0)
        return above.scatter(1, truth, 0.0).sum(1).mean()

    return loss


def mse() -> Loss:
    """Make 1/C Σ (s_j − [j = y])²: the scores themselves as a regression of the one-hot labels."""

    def loss(logits: Tensor, labels: Tensor) -> Tensor:
        scores = _whole(logits)
        return functional.mse_loss(scores, functional.one_hot(labels, scores.shape[1]).to(scores.dtype))

    return loss


def denominator(loss: Loss, labels: Tensor) -> Tensor | int:
    """Return what a mean loss over a batch divides by: its images, or the sum of the weights of their classes."""
    weight = getattr(loss, "keywords", {}).get("weight")
    if isinstance(weight, Tensor) and not labels.is_floating_point():
        return weight[labels].sum()
    return len(labels)


def _whole(logits: Tensor) -> Tensor:
    """Half precision is left for the sums of a loss, as autocast does for cross-entropy."""
    return logits.float() if logits.dtype in (torch.bfloat16, torch.float16) else logits


LOSSES: dict[str, Callable[..., Loss]] = {"cross-entropy": cross_entropy, "hinge": hinge, "mse": mse}
"""By the names of `cvtui.recipe.choices.losses.LOSSES`: called with the choice's parameters, gives the loss."""


def make_loss(choice: Chosen[LossChoice]) -> Loss:
    """Make the loss of a recipe's choice."""
    return LOSSES[choice.name](**choice.values)
