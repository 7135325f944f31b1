"""What could be known before the run: from its recipe alone, and from the first record. Shown beside what came."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import msgspec
import numpy as np

from cvtui.errors import RequestError
from cvtui.tui.panes.curves import Floats, speed
from cvtui.tui.panes.layer_rows import predicted_stds

if TYPE_CHECKING:
    from cvtui.recipe import Checked, Schedule
    from cvtui.runlog import History, RunStarted


@dataclass(frozen=True, slots=True)
class Foretold:
    """None, or an empty dict, where nothing could be said (a run that cvtui did not start has no recipe of ours)."""

    steps_per_epoch: int | None = None
    parameters: int | None = None
    memory: float | None = None
    """Bytes of weights, gradients, optimiser state and activations of one batch."""
    first_loss: float | None = None
    """ln C: the loss of a classifier that gives each of C classes the same probability."""
    activation_std: dict[str, float] = field(default_factory=dict)
    schedule: Schedule | None = None
    """The recipe's, as it was before anybody set the rate by hand."""


def foretell(history: History) -> Foretold:
    """Worked out once per run. Never raises: what can't be foretold is left out."""
    run = history.run
    if run is None:
        return Foretold()
    checked = _checked(run)
    memory = run.prediction.get("memory")
    return Foretold(
        steps_per_epoch=checked.steps_per_epoch if checked is not None else None,
        parameters=checked.table.parameters if checked is not None else None,
        memory=float(memory) if isinstance(memory, int | float) else None,
        first_loss=_first_loss(run),
        activation_std=predicted_stds(history),
        schedule=checked.schedule if checked is not None else None,
    )


def _checked(run: RunStarted) -> Checked | None:
    from cvtui import recipe as recipes

    try:
        return recipes.check(msgspec.convert(run.recipe, recipes.Recipe))
    except (msgspec.ValidationError, RequestError):
        return None


def _first_loss(run: RunStarted) -> float | None:
    said = run.prediction.get("first_loss")
    if isinstance(said, int | float):
        return float(said)
    classes = run.data.get("classes")
    return math.log(len(classes)) if isinstance(classes, list) and len(classes) > 1 else None


AHEAD_POINTS = 600


def rate_ahead(history: History, foretold: Foretold) -> tuple[Floats, Floats]:
    """(steps, rates) from now to the end of the run, at most AHEAD_POINTS of them; empty when nothing lies ahead.

    A rate that was set by hand scales what is left of the schedule, as the engine does it.
    """
    run, done, schedule = history.run, history.steps_done, foretold.schedule
    if run is None or schedule is None or done >= run.total_steps:
        return np.empty(0), np.empty(0)
    for command in history.commands:
        if command.command == "set_lr" and command.value is not None:
            schedule = schedule.moved_to(command.step, command.value)
    steps = np.unique(np.linspace(done, run.total_steps - 1, AHEAD_POINTS).round().astype(np.int64))
    return steps.astype(np.float64), np.array([schedule.lr_at(int(step)) for step in steps])


def time_left(history: History) -> float | None:
    """Seconds of training to the end at the pace of the last 30 s; None while it can't be said."""
    run, pace = history.run, speed(history)
    if run is None or pace <= 0:
        return None
    return max(0, run.total_steps - history.steps_done) / pace


def images_per_second(history: History) -> float | None:
    """Training images a second over the last 5 s; between the last epoch's record where steps have no times."""
    batch = history.run.recipe.get("batch_size") if history.run is not None else None
    pace = speed(history, 5.0)
    if isinstance(batch, int) and pace > 0:
        return pace * batch
    return history.epochs[-1].images_per_second if history.epochs else None
