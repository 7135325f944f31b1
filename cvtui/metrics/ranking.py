"""Scores that follow from an order: top-k accuracy, area under the ROC and under the precision-recall curve."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from cvtui.metrics.counts import Counts

Floats = NDArray[np.floating]


def in_top(scores: Floats, truth: Counts, k: int) -> NDArray[np.bool_]:
    """Return whether the true class is among the k with the highest scores (of equal ones the later comes first)."""
    own = np.take_along_axis(scores, truth[:, None], 1)
    later = np.arange(scores.shape[1])[None] > truth[:, None]
    before: NDArray[np.bool_] = ((scores > own) | ((scores == own) & later)).sum(1) < k
    return before


def roc_auc(score: Floats, positive: NDArray[np.bool_]) -> float | None:
    """Return the exact area under the ROC curve, ties counting half; None where one side has no images.

    It is the share of pairs of a positive and a negative in which the positive has the higher score.
    """
    positives = int(positive.sum())
    negatives = len(positive) - positives
    if not positives or not negatives:
        return None
    ends, hits = _steps(score, positive)
    counts, of_positive = np.diff(ends, prepend=0), np.diff(hits, prepend=0)
    of_negative = counts - of_positive
    above = hits - of_positive  # positives with a higher score than this step's
    pairs = float((of_negative * above).sum()) + 0.5 * float((of_negative * of_positive).sum())
    return pairs / (positives * negatives)


def pr_auc(score: Floats, positive: NDArray[np.bool_]) -> float | None:
    """Return the average precision: the sum over thresholds of precision x growth of recall; None without positives."""
    positives = int(positive.sum())
    if not positives:
        return None
    ends, hits = _steps(score, positive)
    growth = np.diff(hits, prepend=0) / positives
    return float((growth * (hits / ends)).sum())


def _steps(score: Floats, positive: NDArray[np.bool_]) -> tuple[Counts, Counts]:
    """Go down the distinct scores; return how many images, and how many positives, lie at or above each."""
    order = np.argsort(-score, kind="stable")
    falling = score[order]
    last = np.append(np.flatnonzero(np.diff(falling)), len(falling) - 1)
    return last + 1, np.cumsum(positive[order], dtype=np.int64)[last]
