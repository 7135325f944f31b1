"""Histograms in eighths of a cell. Pure: numbers in, text out."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike

from cvtui.draw.scales import Floats

UPRIGHT = " ▁▂▃▄▅▆▇█"


def resample(counts: ArrayLike, bins: int) -> Floats:
    """Resample counts of n equal bins to `bins` over the same range; the sum stays the same.

    A bin that is cut gives each part its share, as if its values were spread evenly. Counts that are not finite or
    below 0 count as 0.
    """
    values = np.asarray(counts, dtype=np.float64)
    if not len(values) or bins <= 0:
        return np.zeros(max(0, bins))
    values = np.where(np.isfinite(values) & (values > 0), values, 0.0)
    if len(values) % bins == 0:
        return np.asarray(values.reshape(bins, -1).sum(axis=1))
    sums = np.concatenate([[0.0], np.cumsum(values)])
    return np.asarray(np.diff(np.interp(np.linspace(0, len(values), bins + 1), np.arange(len(sums)), sums)))


def histogram(counts: ArrayLike, width: int, *, log: bool = False) -> str:
    """Draw counts in `width` cells: the highest full, and what is there at all at least an eighth.

    `log` shows log(1 + count), for tails beside a high peak.
    """
    return upright(resample(counts, width), log=log)


def upright(values: ArrayLike, *, log: bool = False, top: float | None = None) -> str:
    """One upright bar a cell, in eighths, from 0 to `top` (the largest if None); a space where there is nothing."""
    # Plain Python: for the few cells of a strip numpy's calls cost three times as much.
    heights = [height if 0 < height < math.inf else 0.0 for height in np.asarray(values, np.float64).tolist()]
    largest = max(heights, default=0.0) if top is None else top
    if not largest > 0:
        return " " * len(heights)
    if log:
        heights, largest = [math.log1p(height) for height in heights], math.log1p(largest)
    return "".join(UPRIGHT[min(8, max(1, round(height / largest * 8)))] if height else " " for height in heights)
