"""Accuracy of answers: of one class a picture, or of a yes or no for each class."""

from __future__ import annotations

import torch
from torch import Tensor


def right(logits: Tensor, truth: Tensor) -> Tensor:
    """Return how much of each image's answer is right (N): 0 or 1, or with labels N x C the share of its C answers.

    A class is answered yes where its probability is above 1/2; of mixed labels a share above 1/2 is yes.
    """
    if truth.dim() == 1:
        return (logits.argmax(1) == truth).float()
    return ((logits > 0) == (truth > 0.5)).float().mean(1)


def exact(logits: Tensor, truth: Tensor) -> float:
    """Return the share of images whose C answers are all right."""
    return ((logits > 0) == (truth > 0.5)).all(1).float().mean().item()


def mean_average_precision(logits: Tensor, truth: Tensor) -> float | None:
    """Return the mean over the classes of Σ (recall_n − recall_(n−1)) · precision_n, n over the distinct scores (mAP).

    A class without a positive image has none, and is left out; None where all are.
    """
    found = []
    for scores, wanted in zip(logits.float().cpu().unbind(1), (truth > 0.5).cpu().unbind(1), strict=True):
        count = int(wanted.sum())
        if count:
            order = scores.argsort(descending=True, stable=True)
            hits = wanted[order].double().cumsum(0)
            ranked = scores[order]
            last = torch.cat([ranked[1:] != ranked[:-1], torch.ones(1, dtype=torch.bool)])  # of equal scores
            places = last.nonzero().flatten()
            precision = hits[places] / (places + 1)
            gained = torch.diff(hits[places], prepend=torch.zeros(1, dtype=torch.float64)) / count
            found.append(float((gained * precision).sum()))
    return sum(found) / len(found) if found else None
