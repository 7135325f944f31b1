"""Steps that were too large or too small: where, in which layer, by what."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from cvtui.doctor.observations import Array, Observations
from cvtui.doctor.phrases import peak, rise
from cvtui.doctor.registry import limit


class StepSize(NamedTuple):
    step: int
    layer: str
    ratio: float
    """Of the layer that moves most (too fast) or the middle one (too slow); NaN where only the loss tells."""
    words: str
    looks: tuple[tuple[int, float], ...] = ()
    """(step, update ratio) of that layer: what `ratio` is the geometric mean of."""

    @property
    def begun(self) -> int:
        """The step of the (last) look that shows it; without one, `step`."""
        return self.looks[-1][0] if self.looks else self.step

    @property
    def since(self) -> int:
        """The step where it began, for the order of causes.

        The step that was too large, not the later one that shows its harm (dead units at step 30 of a step 0 that moved
        weights by 17 times their size).
        """
        return min(self.step, self.begun)


def too_fast(obs: Observations) -> StepSize | None:
    """Return the first moment at which steps were too large and the loss was no better for it."""
    if "fast" not in obs.memo:
        looks = _by_ratio(obs, False), _by_loss(obs, False), _by_death(obs), _by_undoing(obs), _thrown(obs)
        found = [pace for pace in looks if pace is not None]
        if not found and _never_recovered(obs):
            late = _by_ratio(obs, True), _by_loss(obs, True), _by_first_look(obs)
            found = [pace for pace in late if pace is not None]
        first = min(found, key=lambda pace: pace.since) if found else None
        alone = first is not None and len(found) > 1 and not math.isfinite(first.ratio)
        if first is not None and alone and found[0].begun <= first.step:  # a later look may show another rate's doing
            first = first._replace(ratio=found[0].ratio, layer=found[0].layer, looks=found[0].looks)
        obs.memo["fast"] = first
    return obs.memo["fast"]  # type: ignore[no-any-return]


def _never_recovered(obs: Observations) -> bool:
    """Return True if after enough steps the loss is little better than a guess: large steps were too large."""
    guess, steps = obs.guess, obs.steps_done
    return guess is not None and steps > limit("F01", "later") and obs.loss_at(steps) > limit("F01", "lost") * guess


def ratios(obs: Observations) -> tuple[Array, list[int]]:
    """Update ratios, samples x layers with weights; NaN where a layer began at 0 or did not move at all."""
    places = obs.layers.weighted()

    def known() -> Array:
        values = obs.layers.of("update_ratio")[:, places]
        return np.where(np.isfinite(values) & (values > 0), values, np.nan)

    return obs.layers.once("ratios", known), places


def _pairs(ratios: Array) -> Array:
    """Return the mean logarithm of each two samples in a row."""
    logs = np.log(ratios)
    return (logs[1:] + logs[:-1]) / 2


def middles(values: Array) -> Array:
    """Return the median of each row (the lower one of two in the middle); NaN without numbers.

    numpy's own takes 0.2 ms.
    """
    ordered = np.sort(values, axis=1)  # NaN last
    counts = np.isfinite(values).sum(1)
    return ordered[np.arange(len(ordered)), np.maximum((counts - 1) // 2, 0)]  # type: ignore[no-any-return]


def _by_ratio(obs: Observations, later: bool) -> StepSize | None:
    """later: the run has shown since that it did not get over it, so that one pair of samples is enough."""
    guess = obs.guess
    if len(obs.layers) < 2 or guess is None:
        return None
    values, places = ratios(obs)
    if not places:
        return None
    pairs = obs.layers.once("pairs", lambda: _pairs(values))
    over = pairs > math.log(limit("F01", "ratio"))
    if not later:
        over &= values[1:] > limit("F01", "healthy")
    lasting = over.copy()  # one pair is how healthy runs begin, above all with Adam: two in a row, or a loss that rises
    lasting[1:] &= over[:-1]
    lasting[:1] = False
    far = pairs > math.log(limit("F01", "far")) if obs.norms else over
    for sample in np.flatnonzero(over.any(1)):
        step = int(obs.layers.steps[sample + 1])
        loss = obs.loss_at(step)
        if math.isfinite(loss) and loss < limit("F01", "loss") * guess:
            continue
        now = _just_now(obs, step, loss)  # a window's mean still holds the spike of the first step
        risen = not math.isfinite(loss) or now > limit("F01", "worse") * max(guess, obs.first_loss or guess)
        if not lasting[sample].any() and not ((risen or later) and far[sample].any()):
            continue
        column = int(np.nanargmax(pairs[sample]))
        ratio = math.exp(pairs[sample, column])
        looks = tuple((int(obs.layers.steps[row]), float(values[row, column])) for row in (sample, sample + 1))
        return StepSize(step, obs.layers.names[places[column]], ratio, rise(obs, step), looks)
    return None


def _just_now(obs: Observations, step: int, loss: float) -> float:
    """Return the loss just before `step`, where single steps are known; else `loss`."""
    near = obs.losses[max(0, step - 2) : step + 1]
    near = near[np.isfinite(near)]
    return float(near.mean()) if len(near) else loss


def _by_loss(obs: Observations, later: bool) -> StepSize | None:
    """Find a loss that climbs to more than twice a guess (and the first) and stays, or to no number.

    It stays where it is no better than a guess 10 steps later.
    """
    guess, first = obs.guess, obs.first_loss
    if guess is None or first is None:
        return None
    level = limit("F01", "rise") * max(guess, first)
    ends, losses = obs.windows.end, obs.windows.loss
    # A first step of Adam may cost 30 times a guess, and all is well 10 steps later: it must be bad for two windows.
    high = 1 + np.flatnonzero((losses[:-1] > level) & (losses[1:] > limit("F01", "still") * guess))
    if later:
        high = np.flatnonzero(losses > level)
    told = rise
    early = obs.losses[np.isfinite(obs.losses)]
    if len(high):
        step = int(ends[high[0]]) - 1
    elif obs.bad_step is not None and obs.bad_step < 500 and len(early) and early.max() > level:
        step, told = obs.bad_step, peak
    else:
        return None
    if obs.is_cross_entropy and first > limit("F10", "far") * guess:
        return None  # it was wrong from the beginning
    values, places = ratios(obs)
    near = values[obs.layers.steps <= step] if places else np.empty((0, 0))
    if near.size and np.isfinite(near).any():
        row = int(np.flatnonzero(np.isfinite(near).any(1))[-1])
        column = int(np.nanargmax(near[row]))
        if near[row, column] < 0.01:
            return None  # the weights hardly move: something else raised the loss
        # How far too large: the largest look of that layer counts too. (The last one alone may be small again: a first
        # step that moved a layer by 5 times its size was told as a rate 3 times too high.)
        rows = sorted({int(np.nanargmax(near[:, column])), row})
        looks = tuple((int(obs.layers.steps[at]), float(near[at, column])) for at in rows)
        ratio = math.exp(math.fsum(math.log(one) for _, one in looks) / len(looks))
        return StepSize(step, obs.layers.names[places[column]], ratio, told(obs, step), looks)
    return StepSize(step, "", math.nan, told(obs, step))


def _by_death(obs: Observations) -> StepSize | None:
    """Find a step that killed all units.

    All gradients were there, and are exactly 0 in two samples in a row, after a step that was hardly within limits.
    """
    guess, places = obs.guess, obs.layers.weighted()
    if guess is None or len(obs.layers) < 3 or not places:
        return None
    gone = obs.layers.once("gone", lambda: (obs.layers.of("grad_norm")[:, places] == 0).all(1))
    values, _ = ratios(obs)
    for sample in np.flatnonzero(gone[1:] & gone[:-1]):
        before = values[:sample]
        step = int(obs.layers.steps[sample + 1])
        if gone[0] or not np.isfinite(before).any() or obs.loss_at(step) < limit("F01", "loss") * guess:
            return None
        row, column = np.unravel_index(int(np.nanargmax(before)), before.shape)
        ratio = float(before[row, column])
        if ratio < limit("F01", "deadly"):
            return None
        words = f"all gradients of weights had become exactly 0, and {rise(obs, step)}"
        look = int(obs.layers.steps[row]), ratio
        return StepSize(step, obs.layers.names[places[int(column)]], ratio, words, (look,))
    return None


def _by_undoing(obs: Observations) -> StepSize | None:
    """Find a net that begins far better than a guess, as one that was trained, and soon guesses for good."""
    guess, first, losses = obs.guess, obs.first_loss, obs.windows.loss
    if guess is None or first is None or not obs.own_loop or not 0 <= first < limit("F01", "known") * guess:
        return None
    early = losses[: int(limit("F01", "later")) // 10]
    high = np.flatnonzero(early > limit("F01", "loss") * guess)
    if (
        not len(high)
        or obs.steps_done < limit("F01", "later")
        or not (losses[-5:] > limit("F01", "loss") * guess).all()
    ):
        return None
    step = int(obs.windows.end[high[0]]) - 1
    values, places = ratios(obs)
    near = np.where((obs.layers.steps <= step)[:, None], values, np.nan) if places else np.empty((0, 0))
    if not near.size or not np.isfinite(near).any():
        return StepSize(step, "", math.nan, rise(obs, step))
    row, column = np.unravel_index(int(np.nanargmax(near)), near.shape)
    ratio = float(near[row, column])
    if ratio < 0.01:
        return None  # the weights hardly move: something else raised the loss
    look = int(obs.layers.steps[row]), ratio
    return StepSize(step, obs.layers.names[places[int(column)]], ratio, rise(obs, step), (look,))


def _first_look(obs: Observations) -> Array:
    """Return the update ratios of the run's very first step; empty where that was not sampled.

    It always is, but in a run that goes on: later samples of a net with short steps thin out by the clock, and on a
    busy machine there may be no other for a hundred steps.
    """
    values, places = ratios(obs)
    known = places and len(values) and obs.first_step == 0 and obs.layers.steps[0] == 0
    return values[0] if known and np.isfinite(values[0]).any() else np.empty(0)


def _thrown(obs: Observations) -> StepSize | None:
    """Find a first step that throws most layers far away, and a loss that shoots up and does not come back at once."""
    look, guess, first, windows = _first_look(obs), obs.guess, obs.first_loss, obs.windows
    if not look.size or guess is None or first is None or not len(windows):
        return None
    if float(middles(look[None])[0]) < limit("F31", "thrown") or windows.loss[0] < limit("F01", "still") * guess:
        return None
    early = obs.losses[: int(windows.end[0])]
    if not np.isfinite(early).any() or (obs.is_cross_entropy and first > limit("F10", "far") * guess):
        return None
    step, level = int(np.nanargmax(np.where(np.isfinite(early), early, np.nan))), max(guess, first)
    if early[step] < limit("F31", "shot") * level or (early > level).sum() < 2:
        return None
    return _told_by(obs, look, step, peak(obs, step))


def _by_first_look(obs: Observations) -> StepSize | None:
    """Find a first step that was too large in a run whose loss is no better than a guess's since."""
    look, guess = _first_look(obs), obs.guess
    if not look.size or guess is None or np.nanmax(look) < limit("F01", "ratio"):
        return None
    step = int(limit("F36", "steps"))
    if obs.steps_done <= step or obs.loss_at(obs.steps_done, 5) < limit("F01", "still") * guess:
        return None
    if float(middles(look[None])[0]) < limit("F31", "middle"):
        return None
    return _told_by(obs, look, step, rise(obs, step))


def _told_by(obs: Observations, look: Array, step: int, words: str) -> StepSize:
    column = int(np.nanargmax(look))
    ratio = float(look[column])
    return StepSize(step, obs.layers.names[obs.layers.weighted()[column]], ratio, words, ((0, ratio),))


def too_slow(obs: Observations) -> StepSize | None:
    """Return the first of two samples in which the middle layer hardly moved, at a loss that is still high."""
    if "slow" in obs.memo:
        return obs.memo["slow"]  # type: ignore[no-any-return]
    obs.memo["slow"] = pace = _slow(obs)
    return pace


def _slow(obs: Observations) -> StepSize | None:
    guess = obs.guess
    values, places = ratios(obs)
    if guess is None or len(obs.layers) < 3 or not places:
        return None
    with np.errstate(all="ignore"):
        middle = obs.layers.once("middle", lambda: middles(values))
    low = middle < limit("F02", "ratio")
    for sample in np.flatnonzero(low[2:] & low[1:-1]) + 2:
        step = int(obs.layers.steps[sample])
        rising = obs.rate_share(step) > 1.01 * obs.rate_share(step - 10)
        if obs.rate_share(step) < 0.5 or rising or not obs.loss_at(step) > limit("F02", "loss") * guess:
            continue
        column = int(np.nanargmin(np.abs(values[sample] - middle[sample])))
        ratio = float(middle[sample])
        return StepSize(step, obs.layers.names[places[column]], ratio, "", ((step, ratio),))
    return None
