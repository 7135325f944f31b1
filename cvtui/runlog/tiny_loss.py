"""A run's smoothed training loss in few points, for the small multiples of the screen and of the command line."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from cvtui.runlog.axes import Floats, Smoothed

if TYPE_CHECKING:
    from cvtui.runlog.history import History

POINTS = 400
SMOOTHING = 0.95


def tiny_loss(history: History, smoothed: Smoothed | None = None) -> tuple[Floats, Floats]:
    """Return (steps, smoothed training loss), at most POINTS of each.

    smoothed: of `loss`, kept for a run that grows: only its new steps are worked on.
    """
    values = (smoothed or Smoothed("loss")).values(history, SMOOTHING)
    count = len(history.steps)
    places = np.unique(np.linspace(0, max(0, count - 1), min(POINTS, count)).astype(np.int64))
    return places.astype(np.float64) + history.steps.first, np.asarray(values)[places]
