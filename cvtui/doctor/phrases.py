"""Words for what the log holds: which steps a number is the mean of, and when the rate was changed. What is told with
its steps can be looked up; "the loss stayed at …" alone can be false of a run whose loss fell and rose again."""

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
    """The last window of ten steps that ended by `step`; of the steps before the first such window, the last one whose
    loss is finite. None where there is none."""
    windows = _windows(obs, step)
    return windows[0] if windows else (_early(obs, step) or (None,))[-1]


def lowest_by(obs: Observations, step: int) -> Mean | None:
    """The lowest of the first loss and of all windows that ended by `step`."""
    windows, early = _windows(obs, step), _early(obs, step)
    return min([*early[:1], *windows[1:], *([] if windows else early[1:])], key=lambda m: m.value, default=None)


def _windows(obs: Observations, step: int) -> tuple[Mean, Mean] | tuple[()]:
    """The last and the lowest window that ended by `step`; nothing where there is none."""
    count = int(np.searchsorted(obs.windows.end, step + 1, side="right"))
    losses = obs.windows.loss[:count]
    finite = np.flatnonzero(np.isfinite(losses))
    if not len(finite):
        return ()
    places = int(finite[-1]), int(finite[losses[finite].argmin()])
    last, lowest = (Mean(float(losses[place]), obs.windows.start(place), obs.windows.last(place)) for place in places)
    return last, lowest


def _early(obs: Observations, step: int) -> list[Mean]:
    """The first and the last of the first ten steps whose loss is finite, as far as they were done by `step`."""
    begun = obs.first_step or 0
    losses = obs.losses[: max(0, min(STEPS, step + 1 - begun))]
    finite = np.flatnonzero(np.isfinite(losses)).tolist()
    return [Mean(float(losses[place]), begun + place, begun + place) for place in finite[:1] + finite[1:][-1:]]


def rise(obs: Observations, step: int) -> str:
    """What the loss had done by `step`: a clause."""
    now, lowest = loss_by(obs, step), lowest_by(obs, step)
    if now is None or lowest is None:
        return "no loss was finite"
    if now.value > 1.1 * lowest.value:
        return f"the loss rose from {lowest.words} to {now.words}"
    return f"the loss was {now.words}"


def peak(obs: Observations, step: int) -> str:
    """The same, up to the highest of the first steps' losses by then: of a run that fell apart within a few steps."""
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
    """`a guess costs 2.3`, and of a loss that is no cross-entropy `the first loss was 9.01`."""
    if obs.is_cross_entropy and obs.label_entropy is not None:
        return f"a guess costs {obs.label_entropy:.3g}"
    return f"the first loss was {obs.first_loss or math.nan:.3g}"


def change(obs: Observations, step: int) -> str:
    """The last change of the rate by hand that came by `step`, as a sentence with a blank before it; "" for none."""
    return told_change(obs.change_by(step))


def told_change(one: RateChange | None) -> str:
    """` At step 90 the rate was changed by hand from 0.05 to 10.`; "" for none."""
    if one is None:
        return ""
    before = f" from {one.before:.3g}" if math.isfinite(one.before) else ""
    return f" At step {one.step:,} the rate was changed by hand{before} to {one.after:.3g}."


def beside(share: float, limit: float) -> str:
    """A share in per cent, with as many digits as it takes to lie on its own side of a limit that is told beside it."""
    for digits in range(3, 9):
        words = f"{100 * share:.{digits}g}"
        told, bound = float(words), float(f"{100 * limit:.3g}")
        if share == limit or (told != bound and (told > bound) == (share > limit)):
            break
    return f"{words} %"
