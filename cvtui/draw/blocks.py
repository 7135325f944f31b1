"""Histograms and bars in eighths of a cell. Pure: numbers in, text out."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike

from cvtui.draw.scales import Floats

UPRIGHT = " ▁▂▃▄▅▆▇█"
LEVEL = " ▏▎▍▌▋▊▉█"


def resample(counts: ArrayLike, bins: int) -> Floats:
    """Counts of n bins of equal width as counts of `bins` bins over the same range; the sum stays the same.

    A bin that is cut gives each part its share, as if its values were spread evenly. Counts that are not finite or
    below 0 count as 0.
    """
    values = np.asarray(counts, dtype=np.float64)
    if not len(values) or bins <= 0:
        return np.zeros(max(0, bins))
    values = np.where(np.isfinite(values) & (values > 0), values, 0.0)
    sums = np.concatenate([[0.0], np.cumsum(values)])
    return np.asarray(np.diff(np.interp(np.linspace(0, len(values), bins + 1), np.arange(len(sums)), sums)))


def histogram(counts: ArrayLike, width: int, *, log: bool = False) -> str:
    """A strip of `width` cells: the highest full, and what is there at all at least an eighth.

    `log` shows log(1 + count), for tails beside a high peak.
    """
    return upright(resample(counts, width), log=log)


def upright(values: ArrayLike, *, log: bool = False, top: float | None = None) -> str:
    """One upright bar a cell, in eighths, from 0 to `top` (the largest if None); a space where there is nothing."""
    heights = np.asarray(values, dtype=np.float64)
    heights = np.where(np.isfinite(heights) & (heights > 0), heights, 0.0)
    largest = float(heights.max(initial=0.0)) if top is None else top
    if not largest > 0:
        return " " * len(heights)
    shares = np.log1p(heights) / math.log1p(largest) if log else heights / largest
    eighths = np.clip(np.rint(shares * 8), np.where(heights > 0, 1, 0), 8).astype(int)
    return "".join(UPRIGHT[eighth] for eighth in eighths)


def sparkline(values: Sequence[float], width: int) -> str:
    """The course of the last `width` values, one a cell, between their smallest and largest.

    A space where a value is not finite.
    """
    recent = np.asarray(values, dtype=np.float64)[-max(0, width) :] if width > 0 else np.empty(0)
    good = np.isfinite(recent)
    if not good.any():
        return " " * len(recent)
    low, high = float(recent[good].min()), float(recent[good].max())
    shares = (recent - low) / (high - low) if high > low else np.full(len(recent), 0.5)
    eighths = np.rint(1 + 7 * np.where(good, shares, 0.0)).astype(int)
    return "".join(UPRIGHT[eighth] if there else " " for eighth, there in zip(eighths, good, strict=True))


def bar(share: float, width: int) -> str:
    """A level bar of `width` cells filled to `share` (0 … 1), to an eighth of a cell; above 0 at least one eighth."""
    if width <= 0:
        return ""
    if not math.isfinite(share) or share <= 0:
        return " " * width
    eighths = max(1, min(8 * width, round(share * 8 * width)))
    full, rest = divmod(eighths, 8)
    return ("█" * full + (LEVEL[rest] if rest else "")).ljust(width)


def log_bar(value: float | None, low: float, high: float, width: int) -> str:
    """A bar on a logarithmic scale: empty at `low` and below, full at `high`. A straight slope over the layers of a net
    is then a gradient that shrinks by the same factor from layer to layer."""
    if value is None or not math.isfinite(value) or value <= low:
        return " " * max(0, width)
    return bar(math.log(value / low) / math.log(high / low), width)
