"""When a run has diverged: losses or gradients that are not finite, too many steps in a row."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass

from cvtui.engine.observe.step_metrics import Readings
from cvtui.runlog.events import Log
from cvtui.runlog.writer import EventWriter

LARGEST_STREAK = 24
"""Halvings from GradScaler's first scale, 65,536, to one under which a gradient that still overflows is infinite."""


class Diverged(Exception):
    """The loss (or a gradient) is not finite any more; `step` is the first such step."""

    def __init__(self, step: int, loss: float, what: str = "the loss") -> None:
        word = "NaN" if math.isnan(loss) else "infinite"
        super().__init__(f"{what} was {word} at step {step:,}")
        self.step = step


@dataclass
class NonfiniteStreak:
    """Consecutive steps whose loss or gradient is not finite."""

    patience: int
    """Length of a streak that ends the run; 0: none does."""
    length: int = 0
    earliest: int = 0
    """The first bad step of the whole process."""
    first: int = 0
    total: int = 0
    """Bad steps of the whole process."""
    _why: Diverged | None = None

    def take(self, step: int, loss: float, norm: float) -> Diverged | None:
        """Count one step; return the error that ends the run at this step, if it does."""
        if math.isfinite(loss) and math.isfinite(norm):
            self.length = 0
            return None
        self.length, self.total = self.length + 1, self.total + 1
        if self.total == 1:
            self.earliest = step
        if self.length == 1:
            self.first = step
            self._why = Diverged(step, norm, "a gradient") if math.isfinite(loss) else Diverged(step, loss)
        return self._why if self.length == self.patience else None


class Divergence:
    """Looks for the step that ends a run."""

    def __init__(self, writer: EventWriter, streak: NonfiniteStreak) -> None:
        self._writer, self._streak = writer, streak
        self._overflows = 0
        """Steps in a row whose float16 gradients overflowed."""
        self._told_overflow = False

    def until(self, readings: Readings, first: int, *, scaled: bool) -> tuple[int, Diverged | None]:
        """Count the steps, from `first` on, up to the one that ends the run, with its error.

        All of them, and None, where none does. scaled: the loss is, for float16.
        """
        for index, (loss, norm) in enumerate(zip(readings.loss, readings.grad_norm, strict=True)):
            if scaled and self._overflowed(loss, norm):
                readings.without.add(index)
                self._tell_overflow(first + index)
            elif (error := self._streak.take(first + index, loss, norm)) is not None:
                return index + 1, error
        return len(readings.loss), None

    def _overflowed(self, loss: float, norm: float) -> bool:
        """Return True for a step of float16 whose gradients overflowed: it is left out, and no fault.

        Not after LARGEST_STREAK in a row: then no scale helps.
        """
        if not math.isfinite(loss) or math.isfinite(norm):
            self._overflows = 0
            return False
        self._overflows += 1
        return self._overflows <= LARGEST_STREAK

    def _tell_overflow(self, step: int) -> None:
        if not self._told_overflow:
            self._told_overflow = True
            what = f"float16: the gradients overflowed at step {step:,}"
            text = f"{what}; such an update is left out and the loss scaled less"
            self._writer.write(Log(time=time.time(), text=text, step=step))
