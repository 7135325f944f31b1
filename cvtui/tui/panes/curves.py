"""From a run's records to the numbers that curves are made of: smoothing, and the four x axes. No Textual here."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from cvtui.tui.panes.view_state import XAxis

if TYPE_CHECKING:
    from cvtui.runlog import History, RunStarted

Floats: TypeAlias = NDArray[np.float64]

_BLOCK = 128


class Smoother:
    """Exponential moving average with bias correction, carried on as values come.

    y_t = sum_i beta^(t−i) x_i / sum_i beta^(t−i) over the finite x_i up to t (Adam's correction; without it the first
    values would be pulled to 0). Where x is not finite, y is NaN, so that the curve breaks there too.
    """

    def __init__(self, beta: float) -> None:
        if not 0 <= beta < 1:
            raise ValueError(f"beta must lie in [0, 1), not {beta}")
        self.beta = beta
        self._sum = 0.0
        self._weight = 0.0
        self._values: Floats = np.empty(0)
        self._length = 0
        powers = np.arange(_BLOCK)
        lag = powers[:, None] - powers[None, :]
        self._kernel: Floats = np.where(lag >= 0, float(beta) ** np.maximum(lag, 0), 0.0)
        self._decay: Floats = np.power(float(beta), powers + 1.0)

    def __len__(self) -> int:
        return self._length

    @property
    def values(self) -> Floats:
        """What has been smoothed so far; a view that stays valid until the next `extend`."""
        return self._values[: self._length]

    def extend(self, x: NDArray[np.floating[Any]]) -> None:
        """Takes in the values that follow. Blockwise matrix products: 1,000,000 values in about 0.1 s."""
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
        clean = np.where(there, x, 0.0).astype(np.float64)
        for start in range(0, len(x), _BLOCK):
            part, mask = clean[start : start + _BLOCK], there[start : start + _BLOCK]
            size = len(part)
            kernel, decay = self._kernel[:size, :size], self._decay[:size]
            sums = kernel @ part + decay * self._sum
            weights = kernel @ mask.astype(np.float64) + decay * self._weight
            with np.errstate(invalid="ignore", divide="ignore"):
                smooth = np.where(mask, sums / weights, np.nan)
            self._values[self._length + start : self._length + start + size] = smooth
            self._sum, self._weight = float(sums[-1]), float(weights[-1])
        self._length = needed


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
    """The x of "so many steps done" on the chosen axis. Steps may have a fraction, and may lie ahead of the run.

    epochs: steps / steps per epoch. samples: whole epochs times the training images, plus full batches (an epoch's
    last batch may be smaller). time: seconds of training, pauses not counted; what lies ahead goes on at the pace of
    the last steps.
    """
    steps = np.atleast_1d(np.asarray(steps, dtype=np.float64))
    per_epoch = history.run.steps_per_epoch if history.run is not None else 0
    if axis == "epochs" and per_epoch > 0:
        return steps / per_epoch
    if axis == "samples" and per_epoch > 0 and history.run is not None:
        return _samples(history.run, steps)
    if axis == "time":
        return _times(history, steps)
    return steps


def _samples(run: RunStarted, steps: Floats) -> Floats:
    batch = run.recipe.get("batch_size")
    images = run.data.get("train")
    if not isinstance(batch, int) or batch <= 0:
        return steps
    if not isinstance(images, int) or images <= 0:
        return steps * batch
    whole, rest = np.divmod(steps, run.steps_per_epoch)
    per_epoch = min(images, batch * run.steps_per_epoch)
    return np.asarray(whole * per_epoch + np.minimum(rest * batch, per_epoch), dtype=np.float64)


def _times(history: History, steps: Floats) -> Floats:
    """`seconds` of a step is taken at its end, so s steps are done at `seconds[s − 1]`."""
    seconds = history.steps.seconds
    known = np.isfinite(seconds)
    if not known.any():
        return np.full(len(steps), np.nan)
    ends = history.steps.first + 1 + np.flatnonzero(known)
    times = seconds[known]
    x = np.interp(steps, np.concatenate([[ends[0] - 1], ends]), np.concatenate([[0.0], times]))
    ahead = steps > ends[-1]
    if ahead.any():
        pace = speed(history)
        x[ahead] = times[-1] + ((steps[ahead] - ends[-1]) / pace if pace > 0 else np.nan)
    return np.asarray(x, dtype=np.float64)


class Positions:
    """`position` of every step of the series (step i is drawn at i: it was measured before its update).

    Kept between calls, because for long runs most of it stays as it is.
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
            # The time of a step is its own, there's no need to look it up.
            own = steps.seconds[known:] if axis == "time" else None
            new = np.arange(steps.first + known, steps.end, dtype=np.float64)
            self._x = np.concatenate([self._x, position(history, axis, new) if own is None else own])
        return self._x


def speed(history: History, window: float = 30.0) -> float:
    """Steps a second over the last `window` seconds of training (pauses not counted, validation counted); 0 unknown."""
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
    starts = [0.0, *ends[:-1]]
    per_epoch = history.run.steps_per_epoch if history.run is not None else 0
    if ends and per_epoch and history.epochs[0].epoch > 1:  # the log begins in mid-run
        starts[0] = max(0.0, ends[0] - per_epoch)
    return np.array([(start + end) / 2 for start, end in zip(starts, ends, strict=True)], dtype=np.float64)


def numbers(values: list[float | None]) -> Floats:
    """None becomes NaN."""
    return np.array([np.nan if value is None else value for value in values], dtype=np.float64)
