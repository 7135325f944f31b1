"""Phrases for numbers of the log: which steps a mean is of, and when the rate was changed.

What is told with its steps can be looked up; "the loss stayed at …" alone can be false of a run whose loss fell and
rose again.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from cvtui.doctor.metric_windows import STEPS
from cvtui.doctor.observations import Observations, RateChange


class Mean(NamedTuple):
    """A mean loss, and the first and last step that it is of."""

    value: float
    first: int
    last: int

    @property
    def words(self) -> str:
        """`2.31 (step 0)`, `0.41 (mean of steps 20 to 29)`."""
        if self.first == self.last:
            return f"{self.value:.3g} (step {self.last:,})"
        return f"{self.value:.3g} (mean of steps {self.first:,} to {self.last:,})"


def loss_by(obs: Observations, step: int) -> Mean | None:
    """Return the last window of ten steps that ended by `step`; None without.

    Of the steps before the first such window, the last one whose loss is finite.
    """
    windows = _windows(obs, step)
    return windows[0] if windows else (_early(obs, step) or (None,))[-1]


def lowest_by(obs: Observations, step: int) -> Mean | None:
    """Return the lowest of the first loss and of all windows that ended by `step`."""
    windows, early = _windows(obs, step), _early(obs, step)
    return min([*early[:1], *windows[1:], *([] if windows else early[1:])], key=lambda m: m.value, default=None)


def _windows(obs: Observations, step: int) -> tuple[Mean, Mean] | tuple[()]:
    """Return the last and the lowest window that ended by `step`; () without."""
    count = int(np.searchsorted(obs.windows.end, step + 1, side="right"))
    losses = obs.windows.loss[:count]
    finite = np.flatnonzero(np.isfinite(losses))
    if not len(finite):
        return ()
    places = int(finite[-1]), int(finite[losses[finite].argmin()])
    last, lowest = (Mean(float(losses[place]), obs.windows.start(place), obs.windows.last(place)) for place in places)
    return last, lowest


def _early(obs: Observations, step: int) -> list[Mean]:
    """Return the first and the last of the first ten finite losses, as far as they were done by `step`."""
    begun = obs.first_step or 0
    losses = obs.losses[: max(0, min(STEPS, step + 1 - begun))]
    finite = np.flatnonzero(np.isfinite(losses)).tolist()
    return [Mean(float(losses[place]), begun + place, begun + place) for place in finite[:1] + finite[1:][-1:]]


def rise(obs: Observations, step: int) -> str:
    """Say what the loss had done by `step`, in a clause."""
    now, lowest = loss_by(obs, step), lowest_by(obs, step)
    if now is None or lowest is None:
        return "no loss was finite"
    if now.value > 1.1 * lowest.value:
        return f"the loss rose from {lowest.words} to {now.words}"
    return f"the loss was {now.words}"


def peak(obs: Observations, step: int) -> str:
    """Say how the loss rose to its peak among the first steps: of a run that diverged within a few steps."""
    begun = obs.first_step or 0
    losses = obs.losses[: max(0, step + 1 - begun)]
    finite = np.flatnonzero(np.isfinite(losses))
    if not len(finite):
        return rise(obs, step)
    place = int(finite[losses[finite].argmax()])
    top = Mean(float(losses[place]), begun + place, begun + place)
    lowest = lowest_by(obs, top.last)
    if lowest is None or not top.value > 1.1 * lowest.value:
        return rise(obs, step)
    return f"the loss rose from {lowest.words} to {top.words}"


def guess(obs: Observations) -> str:
    """Say what random guessing costs; of a loss that is no cross-entropy, what the first loss was."""
    if obs.is_cross_entropy and obs.label_entropy is not None:
        return f"random guessing costs {obs.label_entropy:.3g}"
    return f"the first loss was {obs.first_loss or math.nan:.3g}"


def change(obs: Observations, step: int) -> str:
    """Say when the rate was last changed by hand by `step`, as a sentence after a blank; "" without."""
    return change_text(obs.change_by(step))


def change_text(one: RateChange | None) -> str:
    """Say a change of the rate: ` At step 90 the rate was changed by hand from 0.05 to 10.`; "" without."""
    if one is None:
        return ""
    before = f" from {one.before:.3g}" if math.isfinite(one.before) else ""
    return f" At step {one.step:,} the rate was changed by hand{before} to {one.after:.3g}."


def beside(share: float, limit: float) -> str:
    """Format a share in per cent, with enough digits to lie on its own side of `limit`."""
    for digits in range(3, 9):
        words = f"{100 * share:.{digits}g}"
        told, bound = float(words), float(f"{100 * limit:.3g}")
        if share == limit or (told != bound and (told > bound) == (share > limit)):
            break
    return f"{words} %"
