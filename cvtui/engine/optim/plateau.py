"""ReduceLROnPlateau: when the schedule `plateau` lowers the rate, by the validation loss."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from cvtui.recipe.choices.schedules import Schedule


@dataclass
class Plateau:
    """State kept from epoch to epoch; part of the checkpoint."""

    best: float = math.inf
    """The lowest validation loss so far that was better than the one before by more than the threshold."""
    num_bad_epochs: int = 0
    """Epochs since then."""
    cooldown_counter: int = 0
    """Epochs of the cooldown that are left."""

    @classmethod
    def of_state(cls, state: Mapping[str, Any]) -> Plateau:
        """Restore it from a checkpoint; older ones called the counters `bad` and `rest`."""
        old = {"bad": "num_bad_epochs", "rest": "cooldown_counter"}
        return cls(**{old.get(name, name): value for name, value in state.items()})

    def after_epoch(self, loss: float, schedule: Schedule, step: int) -> Schedule:
        """Return the schedule from here on, `step` steps being done: another one where the rate drops now.

        loss: of the validation; one that is NaN is no better. A loss is better when it is below best · (1 − threshold).
        Once more than `patience` epochs in a row were not better, the rate is multiplied by `factor`; the epochs of a
        cooldown or of the warm-up don't count.
        """
        if schedule.name != "plateau":
            return schedule
        values = schedule.values
        if loss < self.best * (1.0 - values["threshold"]):
            self.best, self.num_bad_epochs = loss, 0
        else:
            self.num_bad_epochs += 1
        if self.cooldown_counter > 0 or step + schedule.shift <= schedule.warmup_steps:
            self.cooldown_counter, self.num_bad_epochs = max(0, self.cooldown_counter - 1), 0
        if self.num_bad_epochs <= values["patience"] or step >= schedule.total_steps:
            return schedule
        self.cooldown_counter, self.num_bad_epochs = int(values["cooldown"]), 0
        if schedule.lr_at(step) * values["factor"] < values["lowest"]:
            return schedule
        return replace(schedule, drops=(*schedule.drops, step))
