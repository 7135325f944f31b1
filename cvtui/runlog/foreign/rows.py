"""Rows of another program's log on the axis of a run: one doctor's step each, or held over those up to the next."""

from __future__ import annotations

import bisect
import math
import statistics
from dataclasses import dataclass
from itertools import pairwise

from cvtui.runlog.foreign.roles import Chosen
from cvtui.runlog.foreign.scalars import ScalarLog

HELD = 50
"""Steps that an epoch stands for, where a log has one row an epoch: fewer than nearly all epochs have."""
SHORT = 50
"""Rows of single steps below which each stands for itself."""
MOST = 100_000
"""Steps of a run made from a log; a longer one is told in larger steps."""


@dataclass(frozen=True)
class Rows:
    """The rows with a training loss: where each begins on a run's axis, and its step in the log."""

    word: str
    """What the log's steps are called: step or epoch."""
    steps: list[int]
    begins: list[int]
    """First step of each row on the run's axis."""
    end: int
    unit: int
    """Steps of the log in one of the run; 0: each row stands for itself alone."""
    late: bool
    """The log begins in mid-run."""
    single: bool = False
    """Few steps, each with its row, which may be epochs by another name."""

    def place(self, step: int) -> int:
        """Return how many steps of the run were done when the log stood at `step`."""
        row = bisect.bisect_left(self.steps, step)
        if row < len(self.steps) and self.steps[row] == step:
            row += 1
        return self.begins[row] if row < len(self.begins) else self.end

    def told(self, place: int) -> int:
        """Return the log's step of a step of the run."""
        row = max(0, bisect.bisect_right(self.begins, place) - 1)
        return self.steps[row] + (place - self.begins[row]) * self.unit


def rows_of(log: ScalarLog, chosen: dict[str, Chosen]) -> Rows:
    """Lay out the rows that have a training loss."""
    steps = sorted(chosen["loss"].values)
    judged = set(chosen["val_loss"].values if "val_loss" in chosen else ())
    judged |= set(chosen["val_accuracy"].values if "val_accuracy" in chosen else ())
    alone = log.axis == "epoch" or (len(steps) > 1 and len(judged.intersection(steps)) >= 0.8 * len(steps))
    gaps = [after - before for before, after in pairwise(steps)]
    usual = max(1, round(statistics.median(gaps))) if gaps else 1
    single = not alone and usual == 1 and len(steps) < SHORT
    alone |= single
    unit = 0 if alone else max(1, math.ceil((steps[-1] - steps[0] + usual) / MOST))
    if unit:
        begins = [(step - steps[0]) // unit for step in steps]
        end = begins[-1] + max(1, usual // unit)
    else:
        begins = [HELD * row for row in range(len(steps))]
        end = HELD * len(steps)
    late = steps[0] > 2 * usual + 1
    return Rows(log.axis, steps, begins, end, unit, late, single)
