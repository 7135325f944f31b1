"""From a run's records to the numbers that curves are made of: smoothing, and the four x axes."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from cvtui.recipe.learning_rate import images_per_step

if TYPE_CHECKING:
    from cvtui.runlog.events import RunStarted
    from cvtui.runlog.history import History

Floats: TypeAlias = NDArray[np.float64]
XAxis: TypeAlias = Literal["steps", "epochs", "samples", "time"]

_BLOCK = 128
_LARGEST = 230.0
"""beta^(−block) is at most e to this: float64's range less that of float32's losses."""


class Smoother:
    """Exponential moving average with bias correction, carried on as values come.

    y_t = sum_i beta^(t−i) x_i / sum_i beta^(t−i) over the finite x_i up to t (Adam's correction; without it the first
    values would be pulled to 0). Where x is not finite, y is NaN, so that the curve breaks there too; and where it is a
    spike: one value of 5e27 would carry the curve away for 600 steps (beta 0.9).
    """

    def __init__(self, beta: float) -> None:
        if not 0 <= beta < 1:
            raise ValueError(f"beta must lie in [0, 1), not {beta}")
        self.beta = beta
        self._sum = 0.0
        self._weight = 0.0
        self._before: Floats = np.empty(0)
        """The last values, which tell whether the next is a spike."""
        self._values: Floats = np.empty(0)
        self._length = 0
        self._block = min(_BLOCK, max(1, int(_LARGEST / -math.log(beta)))) if beta else 1
        self._decay: Floats = np.power(float(beta), np.arange(self._block + 1.0))

    def __len__(self) -> int:
        return self._length

    @property
    def values(self) -> Floats:
        """What has been smoothed so far; a view that stays valid until the next `extend`."""
        return self._values[: self._length]

    def extend(self, x: NDArray[np.floating[Any]]) -> None:
        """Append the values that follow: 1,000,000 in about 20 ms."""
        if not len(x):
            return
        needed = self._length + len(x)
        if needed > len(self._values):
            grown = np.empty(max(needed, 2 * len(self._values), 1024))
            grown[: self._length] = self.values
            self._values = grown
        if self.beta == 0:
            self._values[self._length : needed] = x
            self._length = needed
            return
        there = np.isfinite(x)
        there &= ~_spikes(self._before, np.where(there, x, np.nan).astype(np.float64))
        self._before = np.concatenate([self._before, x[-_BEFORE:]])[-_BEFORE:].astype(np.float64)
        sums = self._filter(np.where(there, x, 0.0).astype(np.float64), self._sum)
        weights = self._weights(len(x)) if there.all() else self._filter(there.astype(np.float64), self._weight)
        with np.errstate(invalid="ignore", divide="ignore"):
            self._values[self._length : needed] = np.where(there, sums / weights, np.nan)
        self._sum, self._weight = float(sums[-1]), float(weights[-1])
        self._length = needed

    def _weights(self, count: int) -> Floats:
        """Filter ones, in closed form; beta^t is computed only while it can be told from 0."""
        limit = 1 / (1 - self.beta)
        weights = np.full(count, limit)
        early = min(count, int(40 * limit) + 1)  # e^-40 is far below the last bit
        weights[:early] += (self._weight - limit) * np.power(self.beta, np.arange(1.0, early + 1))
        return weights

    def _filter(self, x: Floats, before: float) -> Floats:
        """s_t = beta s_(t−1) + x_t, from s_(−1) = `before`: all blocks by themselves, then what each hands on.

        In a block s_t = beta^t sum_i beta^(−i) x_i. (A matrix product does the same, but NumPy spreads it over all
        cores, and waits there for a training that has them: 115 ms instead of 35 for a pane's first picture.)
        """
        blocks = -(-len(x) // self._block)
        alone = np.zeros((blocks, self._block))
        alone.reshape(-1)[: len(x)] = x
        alone /= self._decay[:-1]
        np.cumsum(alone, axis=1, out=alone)
        alone *= self._decay[:-1]
        carried, factor, ends = np.empty(blocks), float(self._decay[-1]), alone[:, -1].tolist()
        for block in range(blocks):
            carried[block] = before
            before = before * factor + ends[block]
        alone += carried[:, None] * self._decay[1:]
        return alone.reshape(-1)[: len(x)]


_BEFORE = 20
_SPIKE = 100.0
"""A spike is more than so many times the median of the `_BEFORE` values before it, of which there must be five."""


def _spikes(before: Floats, x: Floats) -> NDArray[np.bool_]:
    """Return which of x are spikes, after the values `before`; a change that lasts is none after ten steps."""
    joined = np.concatenate([np.full(_BEFORE - len(before), np.nan), np.where(np.isfinite(before), before, np.nan), x])
    least, wide = joined, 1  # of the last `wide` values: windows are joined until they are long enough
    while wide < _BEFORE:
        by = min(wide, _BEFORE - wide)
        least = np.fmin(least[by:], least[:-by])
        wide += by
    spikes = np.zeros(len(x), bool)
    for place in np.flatnonzero(x > _SPIKE * np.maximum(least[: len(x)], 0)):
        window = joined[place : place + _BEFORE]
        window = window[np.isfinite(window)]
        spikes[place] = len(window) >= 5 and np.median(window) > 0 and x[place] > _SPIKE * np.median(window)
    return spikes


class Smoothed:
    """One column of a history, smoothed; only new steps are worked on. A resumed or changed run begins anew."""

    def __init__(self, column: str) -> None:
        self.column = column
        self._smoother = Smoother(0.0)
        self._run: RunStarted | None = None
        self._first = 0

    def values(self, history: History, beta: float) -> Floats:
        steps = history.steps
        raw = steps.column(self.column)
        same_run = self._run is history.run and self._first == steps.first and len(self._smoother) <= len(raw)
        if beta != self._smoother.beta or not same_run:
            self._smoother = Smoother(beta)
            self._run, self._first = history.run, steps.first
        self._smoother.extend(raw[len(self._smoother) :])
        return self._smoother.values


def position(history: History, axis: XAxis, steps: NDArray[Any] | Sequence[float] | float) -> Floats:
    """Return the x of a number of steps done on the chosen axis.

    Steps may have a fraction, and may lie ahead of the run. epochs: steps / steps per epoch. samples: whole epochs
    times the training images, plus full batches (an epoch's last batch may be smaller). time: seconds of training,
    pauses not counted; what lies ahead goes on at the pace of the last steps.
    """
    steps = np.atleast_1d(np.asarray(steps, dtype=np.float64))
    per_epoch = history.run.steps_per_epoch if history.run is not None else 0
    if axis == "epochs" and per_epoch > 0 and history.run is not None:
        return _epochs(history, history.run, steps)
    if axis == "samples" and per_epoch > 0 and history.run is not None:
        return _samples(history.run, steps)
    if axis == "time":
        return _times(history, steps)
    return steps


def _epochs(history: History, run: RunStarted, steps: Floats) -> Floats:
    """Where images came or went in mid-run, the epochs that are done keep the lengths that they had."""
    x = (steps + run.shift) / run.steps_per_epoch
    first = history.epochs[0] if history.epochs else None
    if first is not None and first.epoch == 1 and first.step + run.shift != run.steps_per_epoch:
        ends = [0.0, *(float(done.step) for done in history.epochs)]
        before = np.interp(steps, ends, [0.0, *(float(done.epoch) for done in history.epochs)])
        x = np.where(steps <= ends[-1], before, x)
    return x


def _samples(run: RunStarted, steps: Floats) -> Floats:
    batch = images_per_step(run.recipe)
    images = run.data.get("train")
    if batch is None:
        return steps
    if not isinstance(images, int) or images <= 0:
        return steps * batch
    whole, rest = np.divmod(steps + run.shift, run.steps_per_epoch)
    per_epoch = batch * run.steps_per_epoch
    if images <= per_epoch + 1:  # the last batch may be smaller, or larger by one
        per_epoch = images
    return np.asarray(whole * per_epoch + np.minimum(rest * batch, per_epoch), dtype=np.float64)


def _times(history: History, steps: Floats) -> Floats:
    """`seconds` of a step is taken at its end, so s steps are done at `seconds[s − 1]`, and none at 0."""
    seconds = history.steps.seconds
    if not len(seconds) or not np.isfinite(seconds[-1]):
        return _times_around_gaps(history, steps)
    place = steps - history.steps.first - 1
    left = np.floor(np.clip(place, -1, len(seconds) - 1)).astype(np.int64)
    low = np.where(left < 0, 0.0, seconds[np.maximum(left, 0)])
    high = seconds[np.minimum(left + 1, len(seconds) - 1)]
    x: Floats = np.asarray(low + np.maximum(place - left, 0.0) * (high - low), dtype=np.float64)
    _go_on(history, x, place - (len(seconds) - 1), float(seconds[-1]))
    return _times_around_gaps(history, steps) if np.isnan(x).any() else x


def _times_around_gaps(history: History, steps: Floats) -> Floats:
    """Return the times where some steps have none, at the cost of looking at all of them."""
    seconds = history.steps.seconds
    known = np.flatnonzero(np.isfinite(seconds))
    if not len(known):
        return np.full(len(steps), np.nan)
    ends = history.steps.first + 1 + known
    times = seconds[known]
    x = np.interp(steps, np.concatenate([[ends[0] - 1], ends]), np.concatenate([[0.0], times]))
    _go_on(history, x, steps - ends[-1], float(times[-1]))
    return np.asarray(x, dtype=np.float64)


def _go_on(history: History, x: Floats, ahead: Floats, last: float) -> None:
    """Extrapolate the times of steps that lie `ahead` at the present pace, in place."""
    later = ahead > 0
    if later.any():
        pace = speed(history)
        x[later] = last + ahead[later] / pace if pace > 0 else np.nan


class Positions:
    """Positions on the x axis of every step of the series, cached: for long runs most of it stays as it is.

    Step i is drawn where i steps are done, as it was measured before its update. So at the place of step i all curves,
    and an epoch that ended there, tell of the same moment.
    """

    def __init__(self) -> None:
        self._key: tuple[object, ...] = ()
        self._x: Floats = np.empty(0)

    def of_steps(self, history: History, axis: XAxis) -> Floats:
        steps = history.steps
        key = (id(history.run), axis, steps.first)
        if key != self._key or len(self._x) > len(steps):
            self._key, self._x = key, np.empty(0)
        if len(self._x) < len(steps):
            known = len(self._x)
            if axis == "time":  # the end of the step before, there's no need to look it up
                start = position(history, axis, steps.first) if not known else steps.seconds[known - 1 : known]
                new = np.concatenate([start, steps.seconds[known:-1]])
            else:
                new = position(history, axis, np.arange(steps.first + known, steps.end, dtype=np.float64))
            self._x = np.concatenate([self._x, new])
        return self._x


def step_at(history: History, axis: XAxis, x: float) -> int:
    """Invert `position`: return the number of steps done that is nearest to x, within the run."""
    low, high = history.steps.first, history.steps.end
    if axis == "steps" or not math.isfinite(x):
        return min(max(round(x), low), high) if math.isfinite(x) else high
    while low < high:
        middle = (low + high) // 2
        if float(position(history, axis, middle)[0]) < x:
            low = middle + 1
        else:
            high = middle
    before, at = position(history, axis, [max(history.steps.first, low - 1), low])
    return max(history.steps.first, low - 1) if abs(x - before) < abs(at - x) else low


def speed(history: History, window: float = 30.0) -> float:
    """Return steps a second over the last `window` seconds of training; 0 where it is not known.

    Pauses are not counted, validation is.
    """
    seconds = history.steps.seconds
    if len(seconds) < 2 or not np.isfinite(seconds[-1]):
        return 0.0
    start = int(np.searchsorted(seconds[:-1], seconds[-1] - window))
    start = min(start, len(seconds) - 2)
    elapsed = float(seconds[-1] - seconds[start])
    return (len(seconds) - 1 - start) / elapsed if elapsed > 0 and np.isfinite(elapsed) else 0.0


def epoch_middles(history: History) -> Floats:
    """For each epoch the steps done at its middle: its mean training loss was measured on the way, not at its end."""
    ends = [float(epoch.step) for epoch in history.epochs]
    starts = [0.0, *ends][: len(ends)]  # none where no epoch is done
    per_epoch = history.run.steps_per_epoch if history.run is not None else 0
    if ends and per_epoch and history.epochs[0].epoch > 1:  # the log begins in mid-run
        starts[0] = max(0.0, ends[0] - per_epoch)
    return np.array([(start + end) / 2 for start, end in zip(starts, ends, strict=True)], dtype=np.float64)


def at_epochs(history: History, name: str, places: Floats) -> tuple[Floats, Floats]:
    """Return the places of the epochs that tell a number of this name, and the numbers.

    One that was not finite is among them; one that was not measured is not: a loop may validate each fifth epoch.
    """
    found = [(getattr(epoch, name), name in epoch.not_finite) for epoch in history.epochs]
    there = np.array([value is not None or bad for value, bad in found], dtype=bool)
    return places[there], numbers([value for value, _ in found])[there]


def numbers(values: list[float | None]) -> Floats:
    """None becomes NaN."""
    return np.array([np.nan if value is None else value for value in values], dtype=np.float64)
