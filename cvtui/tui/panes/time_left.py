"""Time left of a run, with its spread: how much the pace of the last half minute varied."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from cvtui.text import duration

if TYPE_CHECKING:
    from cvtui.runlog.history import History

WINDOW = 30.0
"""Seconds of training that tell the pace."""
PARTS = 10
"""Stretches of equal steps that they are divided into."""
LEAST_STEPS = 2 * PARTS
NARROW = 0.05
"""Share of the time left below which a spread says nothing worth the room."""


class TimeLeft(NamedTuple):
    """Seconds left, and their standard deviation: that of one stretch, as a pace that moved once may do so again."""

    seconds: float
    spread: float


def spread_left(history: History) -> TimeLeft | None:
    """Return the time left; None where the length or the pace is unknown, or the steps are too few."""
    run, seconds = history.run, history.steps.seconds
    if run is None or not run.total_steps or len(seconds) <= LEAST_STEPS or not np.isfinite(seconds[-1]):
        return None
    start = int(np.searchsorted(seconds[:-1], seconds[-1] - WINDOW))
    start = min(start, len(seconds) - 1 - LEAST_STEPS)
    ends = np.linspace(start, len(seconds) - 1, PARTS + 1).round().astype(np.int64)
    times = np.diff(seconds[ends]) / np.diff(ends)
    if not np.isfinite(times).all():
        return None
    left = max(0, run.total_steps - history.steps_done)
    mean = float(seconds[-1] - seconds[start]) / (len(seconds) - 1 - start)
    return TimeLeft(left * mean, left * float(times.std(ddof=1)))


def time_left_text(history: History) -> str:
    """Return `12:10 ± 2:05`, without the spread where it is narrow; "" where it is unknown."""
    left = spread_left(history)
    if left is None:
        return ""
    if left.spread < max(1.0, NARROW * left.seconds):
        return duration(left.seconds)
    return f"{duration(left.seconds)} ± {duration(left.spread)}"
