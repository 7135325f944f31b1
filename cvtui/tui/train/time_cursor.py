"""Where the time cursor goes when a key is pressed: pure functions of a history."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cvtui.runlog.history import History

PRESSES = 200
"""About how many presses of an arrow go from one side of the curves to the other."""


def stride(steps: float) -> int:
    """How far an arrow goes where `steps` are in view: 1, 2, 5, 10, 20 … of them."""
    least = steps / PRESSES
    if not math.isfinite(least) or least <= 1:
        return 1
    decade = 10 ** math.floor(math.log10(least))
    return int(max(factor * decade for factor in (1, 2, 5) if factor * decade <= least))


def moved(history: History, cursor: int | None, by: int, size: int) -> int | None:
    """Return the cursor moved by `by` strides of `size`, on multiples of it; None starts at the last step.

    Returns None if there is no step yet.
    """
    first, last = history.steps.first, history.steps.end
    if last <= first:
        return None
    if cursor is None:
        cursor = last
        if by > 0:
            return last
    whole = cursor // size if by > 0 else -(-cursor // size)
    return min(max((whole + by) * size, first), last)


def moved_by_epoch(history: History, cursor: int | None, by: int) -> int | None:
    """Return the end of the next epoch (by = 1) or the previous (−1), or the run's end beyond them."""
    first, last = history.steps.first, history.steps.end
    if last <= first:
        return None
    at = last if cursor is None else cursor
    ends = [record.step for record in history.epochs]
    if by > 0:
        return min((end for end in ends if end > at), default=last)
    return max((end for end in ends if end < at), default=first)
