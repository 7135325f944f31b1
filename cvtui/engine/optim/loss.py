"""What is minimised: from logits N x classes and labels to the batch's mean loss (a scalar).

Labels: N whole numbers, or N x classes with the share of each class (mixed images, pictures in several classes).
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor
from torch.nn import functional

from cvtui.recipe.choices.losses import LossChoice
from cvtui.recipe.choices.spec import Chosen

Loss = Callable[[Tensor, Tensor], Tensor]


def cross_entropy(smoothing: float = 0.0, *, each: bool = False) -> Loss:
    """Make −Σ q_j log softmax(s)_j, in one step and so without overflow (PyTorch's cross_entropy).

    q is 1 for the true class; with smoothing ε it is 1 − ε there, and ε / C for every class besides (Szegedy 2016).
    """
    if not smoothing and not each:
        return functional.cross_entropy
    return partial(functional.cross_entropy, label_smoothing=smoothing, reduction="none" if each else "mean")


def hinge(margin: float = 1.0, *, each: bool = False) -> Loss:
    """Make Σ_{j≠y} max(0, s_j − s_y + margin): the multi-class SVM loss of the lecture (Weston & Watkins 1999).

    PyTorch's multi_margin_loss is this divided by the number of classes.
    """

    def loss(logits: Tensor, labels: Tensor) -> Tensor:
        scores, truth = _whole(logits), labels.unsqueeze(1)
        above = (scores - scores.gather(1, truth) + margin).clamp_min(0)
        found = above.scatter(1, truth, 0.0).sum(1)
        return found if each else found.mean()

    return loss


def focal(gamma: float = 2.0, *, each: bool = False) -> Loss:
    """Make −Σ q_j (1 − p_j)^gamma log p_j, p the softmax."""

    def loss(logits: Tensor, labels: Tensor) -> Tensor:
        logs = _whole(logits).log_softmax(1)
        # the power's slope is infinite at 0 where gamma is below 1
        all_classes = (1 - logs.exp()).clamp_min(1e-7).pow(gamma) * -logs
        if labels.dim() == 1:
            found = all_classes.gather(1, labels.unsqueeze(1)).squeeze(1)
        else:
            found = (all_classes * labels).sum(1)
        return found if each else found.mean()

    return loss


def bce(*, each: bool = False) -> Loss:
    """Make the mean over the classes of PyTorch's binary_cross_entropy_with_logits."""
    return _over_classes(functional.binary_cross_entropy_with_logits, each)


def mse(*, each: bool = False) -> Loss:
    """Make 1/C Σ (s_j − [j = y])²: the scores themselves as a regression of the one-hot labels."""
    return _over_classes(functional.mse_loss, each)


def _over_classes(function: Callable[..., Tensor], each: bool) -> Loss:
    """Make the mean over the classes of a loss of PyTorch's that compares each score with a number."""

    def loss(logits: Tensor, labels: Tensor) -> Tensor:
        scores = _whole(logits)
        truth = shares_of(labels, scores)
        return function(scores, truth, reduction="none").mean(1) if each else function(scores, truth)

    return loss


def shares_of(labels: Tensor, scores: Tensor) -> Tensor:
    """Return labels as N x classes in the scores' type: BCE takes no whole numbers (RuntimeError)."""
    table = functional.one_hot(labels, scores.shape[1]) if labels.dim() == 1 else labels
    return table.to(scores.dtype)


def denominator(loss: Loss, labels: Tensor) -> Tensor | int:
    """Return what a mean loss over a batch divides by: its images, or the sum of the weights of their classes."""
    weight = getattr(loss, "keywords", {}).get("weight")
    return len(labels) if weight is None else weight_of(labels, weight).sum()


def weight_of(labels: Tensor, weight: Tensor) -> Tensor:
    """Return the weight of each image, N: that of its class, or of its classes by their shares."""
    return weight[labels] if labels.dim() == 1 else labels.to(weight.dtype) @ weight


def _weighted(each: Loss, logits: Tensor, labels: Tensor, *, weight: Tensor) -> Tensor:
    """Weighted mean of the images' losses.

    So labels with shares and smoothed ones cost what PyTorch's cross_entropy makes of whole labels: of mixed ones it
    divides by the number of images (0.35 for ln 2 in a batch without the rare class of 99:1), and it weights the
    smoothed part by its own class (2.37 for ln 2).
    """
    own = weight_of(labels, weight)
    return (each(logits, labels) * own).sum() / own.sum()


def _whole(logits: Tensor) -> Tensor:
    """Half precision is left for the sums of a loss, as autocast does for cross-entropy."""
    return logits.float() if logits.dtype in (torch.bfloat16, torch.float16) else logits


LOSSES: dict[str, Callable[..., Loss]] = {
    "cross-entropy": cross_entropy, "hinge": hinge, "focal": focal, "bce": bce, "mse": mse,
}  # fmt: skip
"""By the names of `cvtui.recipe.choices.losses.LOSSES`: called with the choice's parameters, gives the loss.

each: of every image (N), not their mean."""


def make_loss(choice: Chosen[LossChoice], weight: Tensor | None = None) -> Loss:
    """Make the loss of a recipe's choice; weight: of each class."""
    make, values = LOSSES[choice.name], choice.values
    return make(**values) if weight is None else partial(_weighted, make(**values, each=True), weight=weight)
