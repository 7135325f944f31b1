"""Epochs of a watched loop: their number, means and best accuracy."""

from __future__ import annotations

import math
import time

from torch import Tensor

from cvtui.engine.custom_loop.restart import FormerRun
from cvtui.engine.observe.clock import EpochSums
from cvtui.runlog.events import EpochDone
from cvtui.runlog.nonfinite import words_of


class Epochs:
    """Counts them, as the loop tells their ends."""

    def __init__(self) -> None:
        self.count = 0
        self.sums = EpochSums()
        """Of the epoch under way."""
        self._began = 0
        """Steps before it."""
        self._best: float | None = None

    def go_on(self, former: FormerRun) -> None:
        """Begin where a job had come to before a restart."""
        self.count, self._best, self._began = former.epoch, former.best, former.step

    def end(
        self,
        step: int,
        seconds: float,
        *,
        val_loss: Tensor | float | None,
        accuracy: float | None,
        confusion: list[list[int]],
    ) -> EpochDone:
        """Return the record of the epoch that ends; accuracy: the validation's, a share."""
        sums, self.sums = self.sums, EpochSums()
        self.count += 1
        best = accuracy is not None and (self._best is None or accuracy > self._best)
        self._best = accuracy if best else self._best
        began, self._began = self._began, step
        results = {
            "train_loss": sums.loss / sums.images if sums.images else None,
            "val_loss": None if val_loss is None else float(val_loss),
        }
        return EpochDone(
            epoch=self.count,
            step=step,
            time=time.time(),
            train_loss=finite(results["train_loss"]),
            train_accuracy=finite(sums.right / sums.answered if sums.answered else None),
            val_loss=finite(results["val_loss"]),
            val_accuracy=accuracy,
            seconds=round(seconds, 4),
            images_per_second=0.0,
            confusion=confusion,
            best=best and step > began,
            not_finite=words_of(results),
        )


def finite(value: Tensor | float | None) -> float | None:
    """Return the number; None where there is none, or it is not finite."""
    if value is None:
        return None
    number = float(value)
    return number if math.isfinite(number) else None
