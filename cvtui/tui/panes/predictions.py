"""Predictions made before the run, from its recipe and the first record."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import msgspec
import numpy as np

from cvtui.errors import RequestError
from cvtui.recipe.choices.losses import FirstLoss
from cvtui.recipe.first_loss import first_loss_or_none
from cvtui.recipe.learning_rate import images_per_step
from cvtui.runlog.axes import Floats, speed
from cvtui.tui.panes.layer_rows import predicted_stds

if TYPE_CHECKING:
    from cvtui.recipe.choices.schedules import Schedule
    from cvtui.recipe.validation import Checked
    from cvtui.runlog.events import RunStarted
    from cvtui.runlog.history import History


@dataclass(frozen=True, slots=True)
class Predictions:
    """None, or an empty dict, where nothing could be said (a run that cvtui did not start has no recipe of ours)."""

    steps_per_epoch: int | None = None
    at_most: bool = False
    """True if there may be fewer steps: the images had not been opened."""
    parameters: int | None = None
    memory: float | None = None
    """Bytes of weights, gradients, optimiser state and activations of one batch."""
    first_loss: float | None = None
    """Of a classifier to which all classes look alike: ln C of a cross-entropy."""
    first_rule: str = "ln C"
    start_loss: float | None = None
    """The loss of the first batch with the weights as they were drawn."""
    activation_std: dict[str, float] = field(default_factory=dict)
    schedule: Schedule | None = None
    """As it was when the latest process began: the recipe's, before the rate was changed by hand."""


def predict(history: History) -> Predictions:
    """Predict what the run's recipe gives, once per run. Never raises; unknown values are None."""
    run = history.run
    if run is None:
        return Predictions()
    checked = _checked(run)
    first = first_loss(run)
    memory, start = run.prediction.get("memory"), run.prediction.get("start_loss")
    return Predictions(
        steps_per_epoch=checked.steps_per_epoch if checked is not None else None,
        at_most=checked is not None and not checked.data.opened,
        parameters=_parameters(checked) if checked is not None else None,
        memory=float(memory) if isinstance(memory, int | float) else None,
        first_loss=first.value if first is not None else None,
        first_rule=first.rule if first is not None else "ln C",
        start_loss=float(start) if isinstance(start, int | float) else None,
        activation_std=predicted_stds(history),
        schedule=_schedule(checked, run).as_told(run.schedule) if checked is not None else None,
    )


def _parameters(checked: Checked) -> int | None:
    """Return the number that the recipe alone tells; None of PyTorch code, which this process can't count."""
    return checked.table.parameters if checked.table.rows else None


def _schedule(checked: Checked, run: RunStarted) -> Schedule:
    """Over the steps that the run really makes: some of a folder's files may be no images."""
    from cvtui.recipe.validation import make_schedule

    if checked.data.opened or run.steps_per_epoch < 1:
        return checked.schedule
    try:
        return make_schedule(checked.recipe, run.steps_per_epoch)
    except RequestError:
        return checked.schedule


def _checked(run: RunStarted) -> Checked | None:
    from cvtui.recipe.recipe import Recipe
    from cvtui.recipe.validation import check
    from cvtui.runlog.origin import with_known_paths

    try:
        return check(with_known_paths(msgspec.convert(run.recipe, Recipe), run))
    except (msgspec.ValidationError, RequestError):
        return None


def first_loss(run: RunStarted | None) -> FirstLoss | None:
    """Return the initial loss for the record's classes and loss, with the number that it logged."""
    if run is None:
        return None
    logged, classes = run.prediction.get("first_loss"), run.data.get("classes")
    count = len(classes) if isinstance(classes, list) else 0
    rule = first_loss_or_none(run.recipe.get("loss"), count)
    if not isinstance(logged, int | float):
        return rule
    if rule is None:
        return FirstLoss(float(logged), "ln C", f"ln {round(math.exp(min(logged, 50)))}")
    return rule._replace(value=float(logged))


UPCOMING_POINTS = 600


class UpcomingRates:
    """The schedule's rates of the whole run, recomputed only when the rate is changed by hand."""

    def __init__(self, predictions: Predictions) -> None:
        self._predictions = predictions
        self._num_changes = -1
        self._schedule = predictions.schedule
        self._steps: Floats = np.empty(0)
        self._rates: Floats = np.empty(0)

    def __call__(self, history: History) -> tuple[Floats, Floats]:
        """Return (steps, rates) from now to the end, at most UPCOMING_POINTS; empty at the end.

        A rate that was set by hand scales what is left of the schedule, as the engine does it.
        """
        run, done = history.run, history.steps_done
        since = run.time if run is not None and run.schedule else -math.inf  # an older log tells no schedule
        changes = [one for one in history.commands if one.command == "set_lr" and one.time >= since]
        if run is not None and self._predictions.schedule is not None and len(changes) != self._num_changes:
            self._num_changes, schedule = len(changes), self._predictions.schedule
            for command in changes:
                if command.value is not None:
                    schedule = schedule.moved_to(command.step, command.value)
            self._schedule = schedule
            points = np.linspace(0, max(0, run.total_steps - 1), UPCOMING_POINTS).round()
            self._steps = points[np.diff(points, prepend=-1) > 0]  # np.unique would load numpy.ma: 10 ms
            self._rates = np.array([schedule.lr_at(int(step)) for step in self._steps])
        if run is None or self._schedule is None or done >= run.total_steps:
            return np.empty(0), np.empty(0)
        later = int(np.searchsorted(self._steps, done, side="right"))
        now = self._schedule.lr_at(done)
        return np.append(float(done), self._steps[later:]), np.append(now, self._rates[later:])


def time_left(history: History) -> float | None:
    """Return the seconds of training left at the speed of the last 30 s; None if unknown."""
    run, pace = history.run, speed(history)
    if run is None or pace <= 0:
        return None
    return max(0, run.total_steps - history.steps_done) / pace


def images_per_second(history: History) -> float | None:
    """Training images a second over the last 5 s; between the last epoch's record where steps have no times."""
    batch = images_per_step(history.run.recipe) if history.run is not None else None
    pace = speed(history, 5.0)
    if batch is not None and pace > 0:
        return pace * batch
    return history.epochs[-1].images_per_second if history.epochs else None
