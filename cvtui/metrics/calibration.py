"""Calibration: whether probabilities are as often right as they say (Guo 2017), and the temperature that mends it."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from cvtui.metrics.counts import Counts

BINS = 15
COLDEST, HOTTEST = 0.01, 100.0
"""Temperatures that are looked for."""
ROWS = 8192
"""Images at once: memory stays bounded, however many there are."""

Logits = NDArray[np.floating]
Doubles = NDArray[np.float64]


class Bin(NamedTuple):
    """The images whose highest probability lies in (low, high]."""

    low: float
    high: float
    images: int
    confidence: float
    """Mean of the highest probability."""
    accuracy: float


def softmax(logits: Logits, temperature: float = 1.0) -> Doubles:
    """Return the probabilities of logits / temperature, in double precision."""
    x = logits.astype(np.float64) / temperature
    x -= x.max(1, keepdims=True)
    np.exp(x, out=x)
    x /= x.sum(1, keepdims=True)
    return x


def sigmoid(logits: Logits, temperature: float = 1.0) -> Doubles:
    """Return the probability of each class by itself, in double precision."""
    x = logits.astype(np.float64) / temperature
    low = np.exp(-np.abs(x))  # never overflows
    found: Doubles = np.where(x >= 0, 1.0, low) / (1.0 + low)
    return found


def probabilities(logits: Logits, temperature: float = 1.0, *, yes_no: bool = False) -> Doubles:
    """Return the probabilities of a model: of a yes or no for each class (loss bce), or of one class among all."""
    return sigmoid(logits, temperature) if yes_no else softmax(logits, temperature)


def reliability(confidence: Doubles, right: NDArray[np.bool_], bins: int = BINS) -> list[Bin]:
    """Sort the images into bins of equal width by their highest probability; 1.0 belongs to the last one."""
    number = np.clip(np.ceil(confidence * bins).astype(np.int64) - 1, 0, bins - 1)
    counts = np.bincount(number, minlength=bins)
    sums = np.bincount(number, confidence, bins)
    hits = np.bincount(number, right.astype(np.float64), bins)
    return [
        Bin(n / bins, (n + 1) / bins, int(c), float(sums[n] / c) if c else 0.0, float(hits[n] / c) if c else 0.0)
        for n, c in enumerate(counts)
    ]


def calibration_error(bins: list[Bin]) -> float:
    """Return the expected calibration error: the mean distance of accuracy and confidence, by images."""
    total = sum(one.images for one in bins)
    return math.fsum(one.images * abs(one.accuracy - one.confidence) for one in bins) / max(1, total)


def yes_no_losses(logits: Logits, truth: NDArray[np.generic], temperature: float = 1.0) -> Doubles:
    """Return each image's mean over the classes of -ln of the probability of the right answer to a yes or no.

    truth: N labels, or N x classes of 0 and 1.
    """
    x = logits.astype(np.float64) / temperature
    wanted: Doubles = (truth if truth.ndim == 2 else np.arange(x.shape[1]) == truth[:, None]).astype(np.float64)
    losses: Doubles = (np.maximum(x, 0) - x * wanted + np.log1p(np.exp(-np.abs(x)))).mean(1)
    return losses


def log_losses(logits: Logits, truth: Counts, temperature: float = 1.0, *, yes_no: bool = False) -> Doubles:
    """Return -ln of each image's probability of its true class, or its `yes_no_losses`."""
    if yes_no:
        return yes_no_losses(logits, truth, temperature)
    x = logits.astype(np.float64) / temperature
    x -= x.max(1, keepdims=True)
    own = np.take_along_axis(x, truth[:, None], 1)[:, 0]
    losses: Doubles = np.log(np.exp(x).sum(1)) - own
    return losses


def pieces(logits: Logits, truth: Counts) -> Iterator[tuple[Logits, Counts]]:
    """Yield logits and labels of some thousand images at a time."""
    for start in range(0, len(truth), ROWS):
        yield logits[start : start + ROWS], truth[start : start + ROWS]


def fit_temperature(logits: Logits, truth: Counts, *, yes_no: bool = False) -> float:
    """Return the temperature with the least log loss of these images.

    The loss is convex in 1/T, so its slope crosses 0 once: found by halving, to 12 digits. Where every image is right
    it falls for ever: the coldest temperature.
    """

    def slope(inverse: float) -> float:
        total = 0.0
        for x, labels in pieces(logits, truth):
            values = x.astype(np.float64)
            if yes_no:
                wanted = np.arange(x.shape[1]) == labels[:, None]
                total += float(((sigmoid(x, 1 / inverse) - wanted) * values).sum())
                continue
            own = np.take_along_axis(values, labels[:, None], 1)[:, 0]
            total += float(((softmax(x, 1 / inverse) * values).sum(1) - own).sum())
        return total

    return 1 / _root(slope, 1 / HOTTEST, 1 / COLDEST)


def _root(rising: Callable[[float], float], low: float, high: float) -> float:
    if rising(low) >= 0:
        return low
    if rising(high) <= 0:
        return high
    while high - low > 1e-12 * high:
        middle = (low + high) / 2
        if middle in (low, high):
            break
        if rising(middle) < 0:
            low = middle
        else:
            high = middle
    return (low + high) / 2
