"""The range of most of a curve's values: what an axis shows while a few spikes stick out of it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

ROOM = 3.0
"""A spike sticks out where it is further from the other values than this many times their own range."""
_MOST = 65_536


def typical(y: NDArray[Any]) -> tuple[float, float] | None:
    """Return the smallest and largest of all values but the few most extreme; None with fewer than eight.

    Those few are one of fewer than 60 values, else three or one in a hundred at each end. Of more than 65,536 values
    evenly spaced ones are looked at.
    """
    if len(y) > 2 * _MOST:
        y = y[:: len(y) // _MOST]
    y = y[np.isfinite(y)].astype(np.float64)
    if len(y) < 8:
        return None
    few = 1 if len(y) < 60 else max(3, len(y) // 100)
    ordered = np.partition(y, [few, len(y) - 1 - few])
    return float(ordered[few]), float(ordered[len(y) - 1 - few])


def typical_few(y: NDArray[Any], around: tuple[float, float] | None) -> tuple[float, float] | None:
    """Return the range of values too few for `typical`, without those that stick out of the longer curves' `around`.

    They are spikes where they are one of two or more, or at most a quarter: the mean of an epoch with a spike in it.
    """
    y = y[np.isfinite(y)].astype(np.float64)
    if around is not None and len(y) > 1:
        room = ROOM * (around[1] - around[0])
        inside = y[(y >= around[0] - room) & (y <= around[1] + room)]
        if room > 0 and len(y) - len(inside) <= max(1, len(y) // 4):
            y = inside
    return (float(y.min()), float(y.max())) if len(y) else None


def typical_of_all(
    told: Sequence[tuple[float, float] | None], values: Sequence[NDArray[Any]]
) -> tuple[float, float] | None:
    """Return the range of most values of all curves; `told`: what `typical` says of each."""
    found = [reach for reach in told if reach is not None]
    around = (min(low for low, _ in found), max(high for _, high in found)) if found else None
    few = [typical_few(y, around) for y, reach in zip(values, told, strict=True) if reach is None]
    found += [reach for reach in few if reach is not None]
    return (min(low for low, _ in found), max(high for _, high in found)) if found else None


def cut(full: tuple[float, float], most: tuple[float, float]) -> tuple[float, float]:
    """Return the range to show: each end of `full`, or that of `most` where only spikes lie beyond."""
    room = ROOM * (most[1] - most[0])
    if not room > 0:
        return full
    low, high = full
    return (most[0] if most[0] - low > room else low), (most[1] if high - most[1] > room else high)
