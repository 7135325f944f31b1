"""When the schedule `plateau` lowers the rate: the rule of torch's ReduceLROnPlateau, on the validation loss."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

from cvtui.recipe.choices.schedules import Schedule


@dataclass
class Plateau:
    """What must be remembered from epoch to epoch; part of the checkpoint."""

    best: float = math.inf
    """The lowest validation loss so far that was better than the one before by more than the threshold."""
    bad: int = 0
    """Epochs since then."""
    rest: int = 0
    """Epochs of the cooldown that are left."""

    def after_epoch(self, loss: float, schedule: Schedule, step: int) -> Schedule:
        """The schedule from here on, `step` steps being done: another one where the rate drops now.

        loss: of the validation; one that is NaN is no better. A loss is better when it is below best · (1 − threshold).
        Once more than `patience` epochs in a row were not better, the rate is multiplied by `factor`; the epochs of a
        cooldown or of the warm-up don't count.
        """
        if schedule.name != "plateau":
            return schedule
        values = schedule.values
        if loss < self.best * (1.0 - values["threshold"]):
            self.best, self.bad = loss, 0
        else:
            self.bad += 1
        if self.rest > 0 or step + schedule.shift <= schedule.warmup_steps:
            self.rest, self.bad = max(0, self.rest - 1), 0
        if self.bad <= values["patience"] or step >= schedule.total_steps:
            return schedule
        self.rest, self.bad = int(values["cooldown"]), 0
        if schedule.lr_at(step) * values["factor"] < values["lowest"]:
            return schedule
        return replace(schedule, drops=(*schedule.drops, step))
