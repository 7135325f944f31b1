"""Small multiples: a tiny curve of each of many runs, all on the same two scales, so that they can be compared."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from cvtui.draw import braille
from cvtui.draw.braille import BRAILLE
from cvtui.draw.min_max_pyramid import Pyramid
from cvtui.draw.scales import Floats, Limits, Scale, widened
from cvtui.text import counted, significant


@dataclass(frozen=True, slots=True)
class Shared:
    """The two scales of all curves of a grid."""

    across: Scale
    up: Scale


def shared_scales(curves: Sequence[tuple[Floats, Floats]]) -> Shared | None:
    """Return scales that fit all curves (x, y); None if there is nothing to draw.

    y is logarithmic where all values are above 0 and range over more than a factor of 20. What lies above five times
    the usual first value is left outside: one run that explodes would flatten all others.
    """
    drawn = [(x, y[np.isfinite(y)]) for x, y in curves if np.isfinite(y).any()]
    if not drawn:
        return None
    low = min(float(y.min()) for _, y in drawn)
    high = max(float(y.max()) for _, y in drawn)
    kind = "linear"
    if low > 0 and high > 20 * low:
        usual = sorted(float(y[0]) for _, y in drawn)[(len(drawn) - 1) // 2]
        high = min(high, max(5 * usual, 2 * low))
        kind = "log"
    last = max(float(x[-1]) for x, _ in drawn)
    first = min(float(x[0]) for x, _ in drawn)
    across = Limits(first, last) if last > first else Limits(first, first + 1)
    if kind == "log":
        return Shared(Scale(across), Scale(widened(low, high, "log"), "log"))
    return Shared(Scale(across), Scale(widened(low, high)))


def axis_words(shared: Shared) -> str:
    """Say what is drawn on which scales: `training loss, smoothed, log 0.01 to 2.3, 400 steps`."""
    low, high = (significant(value) for value in shared.up.limits)
    axis = "log " if shared.up.kind == "log" else ""
    return f"training loss, smoothed, {axis}{low} to {high}, {counted(round(shared.across.limits.high), 'step')}"


def tiny_curve(x: Floats, y: Floats, shared: Shared, columns: int, rows: int) -> list[str]:
    """Draw a curve in `rows` lines of `columns` braille characters; above the scale it runs along the upper edge."""
    top = shared.up.limits.high
    y = np.where(np.isfinite(y) & (y > top), top, y)
    pyramid = Pyramid(positive=shared.up.kind == "log")
    pyramid.extend(y)
    drawn = braille.rasterise(x, y, (columns, rows), shared.across, shared.up, pyramid)
    return ["".join(row) for row in BRAILLE[braille.cells(drawn.dots)].tolist()]
