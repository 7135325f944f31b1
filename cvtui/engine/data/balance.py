"""Classes with few images: their weights in the loss, and what a balanced sampler shows of them."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

SHOWN = 6
"""Classes that are told one by one; of more the rarest and the most frequent."""


def class_weights(labels: Tensor, classes: Sequence[str]) -> Tensor:
    """Return float32 weights, inverse to the classes' numbers of images; 1 on average over the images.

    A class without images has 0. These are scikit-learn's "balanced" weights.
    """
    counts = torch.bincount(labels.cpu(), minlength=len(classes)).double()
    return torch.where(counts > 0, len(labels) / ((counts > 0).sum() * counts), 0.0).float()


def shown_share(labels: Tensor) -> float:
    """Return the share of the images that an epoch of the balanced sampler is expected to show at least once."""
    counts = torch.bincount(labels.cpu()).double()
    counts = counts[counts > 0]
    once = 1 - (1 - 1 / (len(counts) * counts)) ** len(labels)
    return float((counts * once).sum() / len(labels))


def told_balance(balance: str, labels: Tensor, names: Sequence[str]) -> list[str]:
    """Return the line for the log: the weight of each class, or how often an epoch shows its images."""
    if balance == "none":
        return []
    weights, counts = class_weights(labels, names), torch.bincount(labels.cpu(), minlength=len(names))
    order = [label for label in counts.argsort(stable=True).tolist() if counts[label]]
    order = order if len(order) <= SHOWN else [order[0], order[-1]]
    told = [f"{names[label]} ({int(counts[label]):,} images) {float(weights[label]):.3g}" for label in order]
    if balance == "weights":
        return [f"balance: weights of the classes in the training loss: {', '.join(told)}"]
    each = len(labels) / max(1, int((counts > 0).sum()))
    return [
        f"balance: an epoch draws about {each:,.0f} images of each class, an image on average: "
        f"{', '.join(word + ' times' for word in told)}; it shows about {shown_share(labels):.0%} of all images"
    ]
