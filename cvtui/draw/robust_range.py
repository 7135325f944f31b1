"""The range of most of a curve's values: what an axis shows while a few spikes stick out of it."""

from __future__ import annotations

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


def cut(full: tuple[float, float], most: tuple[float, float]) -> tuple[float, float]:
    """Return the range to show: each end of `full`, or that of `most` where only spikes lie beyond."""
    room = ROOM * (most[1] - most[0])
    if not room > 0:
        return full
    low, high = full
    return (most[0] if most[0] - low > room else low), (most[1] if high - most[1] > room else high)
