"""Scores that follow from a confusion matrix: accuracy with its interval, balanced accuracy, precision, recall, F1."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Z95 = 1.959963984540054
"""The normal distribution's 97.5 % quantile."""
Counts = NDArray[np.int64]


class ClassCounts(NamedTuple):
    """Scores of one class against all others; None where nothing is divided by."""

    precision: float | None
    recall: float | None
    f1: float | None
    support: int
    predicted: int


def confusion_matrix(truth: Counts, said: Counts, classes: int) -> Counts:
    """Count the pairs: row the true class, column the predicted one."""
    found: Counts = np.bincount(truth * classes + said, minlength=classes * classes).reshape(classes, classes)
    return found


def wilson(right: int, images: int, z: float = Z95) -> tuple[float, float]:
    """Return the interval of a share (Wilson 1927): it stays within 0..1, also for none or all right."""
    if images == 0:
        return 0.0, 1.0
    share, spread = right / images, z * z / images
    middle = (share + spread / 2) / (1 + spread)
    half = z * math.sqrt(share * (1 - share) / images + spread / (4 * images)) / (1 + spread)
    low = 0.0 if right == 0 else middle - half  # exactly: rounding would leave 1e-17
    return low, 1.0 if right == images else middle + half


def class_counts(confusion: Counts) -> list[ClassCounts]:
    """Return precision, recall and F1 of each class."""
    found = []
    for number in range(len(confusion)):
        hits, support = int(confusion[number, number]), int(confusion[number].sum())
        predicted = int(confusion[:, number].sum())
        found.append(
            ClassCounts(
                hits / predicted if predicted else None,
                hits / support if support else None,
                2 * hits / (support + predicted) if support + predicted else None,
                support,
                predicted,
            )
        )
    return found


class Means(NamedTuple):
    """Means over the classes that have images here: a class without any is left out, false alarms or not."""

    precision: float
    """A class that is never predicted counts as 0."""
    recall: float
    """That is the balanced accuracy."""
    f1: float


def macro(scores: list[ClassCounts]) -> Means:
    """Return the unweighted means over the classes with images."""
    there = [one for one in scores if one.support] or [ClassCounts(None, None, None, 0, 0)]
    columns = zip(*((one.precision or 0.0, one.recall or 0.0, one.f1 or 0.0) for one in there), strict=True)
    return Means(*(math.fsum(column) / len(there) for column in columns))
