"""Between numbers and dots: linear and logarithmic axes. Pure numpy."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats: TypeAlias = NDArray[np.float64]
Array: TypeAlias = NDArray[Any]
"""Any numeric dtype; logs keep float32 where that is enough."""
Kind: TypeAlias = Literal["linear", "log"]

FAR = 1e12
"""Places beyond this many dots from the origin are drawn as if at it: a line to there is upright on any screen."""


class Limits(NamedTuple):
    """What an axis shows, `low` < `high`."""

    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Scale:
    """One axis: `low` falls on the centre of the first dot, `high` on the centre of the last."""

    limits: Limits
    kind: Kind = "linear"

    def to_dots(self, values: ArrayLike, dots: int) -> Floats:
        """Where values lie on an axis of `dots` dots, in fractions of a dot: 0 … dots − 1.

        NaN for what has no place: NaN, and on a log axis values of 0 and below. Infinities and what is far outside come
        to ±FAR. Halved before they are subtracted, so that ±1e308 can be the limits.
        """
        given = np.asarray(values, dtype=np.float64)
        with np.errstate(all="ignore"):
            if self.kind == "log":
                low, high = math.log10(self.limits.low), math.log10(self.limits.high)
                given = np.log10(np.where(given > 0, given, np.nan))
            else:
                low, high = self.limits
            share = (given / 2 - low / 2) / (high / 2 - low / 2)
            return np.asarray(np.clip(share * (dots - 1), -FAR, FAR))

    def from_dots(self, positions: ArrayLike, dots: int) -> Floats:
        """Return the values at positions given in dots: the inverse of `to_dots`."""
        share = np.asarray(positions, dtype=np.float64) / max(1, dots - 1)
        with np.errstate(all="ignore"):
            if self.kind == "log":
                low, high = math.log10(self.limits.low), math.log10(self.limits.high)
                return np.asarray(10.0 ** (low + share * (high - low)))
            low, high = self.limits
            return np.asarray(low * (1 - share) + high * share)


def widened(low: float, high: float, kind: Kind = "linear", share: float = 0.04) -> Limits:
    """Limits a little wider than the data, so that no curve lies on the frame; a single value comes to the middle."""
    if kind == "log":
        lows, highs = math.log10(low), math.log10(high)
        room = (highs - lows) * share if highs > lows else math.log10(2)
        return Limits(10 ** max(lows - room, -307.0), 10 ** min(highs + room, 308.0))
    room = (high / 2 - low / 2) * 2 * share if high > low else abs(low) * 0.1 or 1.0
    if low - room == low or high + room == high:  # the room is lost in rounding
        room = max(float(np.spacing(abs(low))), float(np.spacing(abs(high)))) * 8
    return Limits(max(low - room, -1.7e308), min(high + room, 1.7e308))


def zoomed(limits: Limits, around: float, factor: float, kind: Kind = "linear") -> Limits:
    """Scale the limits by `factor` (below 1 zooms in) around a point 0 … 1 along the axis."""
    scale = Scale(limits, kind)
    low, high = scale.from_dots([around * (1 - factor), around + (1 - around) * factor], 2)
    return Limits(float(low), float(high))


def moved(limits: Limits, share: float, kind: Kind = "linear") -> Limits:
    """Move the limits by a share of their width; above 0 towards larger values."""
    low, high = Scale(limits, kind).from_dots([share, 1 + share], 2)
    return Limits(float(low), float(high))


def sound(limits: Limits, kind: Kind = "linear") -> bool:
    """Return True if limits can be drawn: finite, in order, far enough apart for 64-bit floats."""
    low, high = limits
    if not (math.isfinite(low) and math.isfinite(high) and low < high):
        return False
    if kind == "log":
        return low > 0 and math.log10(high) - math.log10(low) > 1e-9
    return high - low > 1e-12 * max(abs(low), abs(high))
