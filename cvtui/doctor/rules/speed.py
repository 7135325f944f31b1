"""Rules on the step size: too large or too small, by the rate, the batch size or a missing warm-up."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from cvtui.doctor.learning import falls
from cvtui.doctor.observations import Array, Observations
from cvtui.doctor.phrases import beside, change, change_text, guess, loss_by, peak, rise
from cvtui.doctor.registry import RuleResult, limit, nice, percent, rule, short


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
        looks = _by_ratio(obs, False), _by_loss(obs, False), _by_death(obs)
        found = [pace for pace in looks if pace is not None]
        if not found and _never_recovered(obs):
            found = [pace for pace in (_by_ratio(obs, True), _by_loss(obs, True)) if pace is not None]
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
    if "ratios" not in obs.memo:
        places = obs.layers.weighted()
        values = obs.layers.of("update_ratio")[:, places]
        obs.memo["ratios"] = np.where(np.isfinite(values) & (values > 0), values, np.nan), places
    return obs.memo["ratios"]  # type: ignore[no-any-return]


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
    logs = np.log(values)
    pairs = (logs[1:] + logs[:-1]) / 2
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
    gone = (obs.layers.of("grad_norm")[:, places] == 0).all(1)
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
        middle = middles(values)
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


def _blamed_for_speed(obs: Observations) -> str:
    """Which of F30, F31 and F01 steps that are too large are told as."""
    pace = too_fast(obs)
    if pace is None:
        return ""
    times, batch = obs.times_typical, obs.batch_size
    times = None if times is None else times * obs.rate_factor(pace.layer)
    if times is None or obs.raised_by(pace.begun):
        return "F01"
    off = limit("F30", "off")
    if batch and batch <= limit("F30", "small") and times * 64 / batch > off and times <= 4:
        return "F30"
    deep = len(obs.layers.weighted()) >= limit("F31", "deep") and not obs.norms
    most = limit("F31", "most_deep") if deep else limit("F31", "most")
    if pace.since < limit("F31", "steps") and not obs.warmed_up and times <= most:
        return "F31"
    return "F01"


def _cure(obs: Observations, ratio: float) -> tuple[float, dict[str, float]]:
    """How many times too high the rate is, and the recipe's change."""
    times = nice(ratio / 0.01) if math.isfinite(ratio) else 10.0
    times = min(max(times, 3.0), 1000.0)
    rate = obs.rate
    return times, {"lr": short(rate / times)} if rate and not obs.own_loop else {}


def _moved(pace: StepSize) -> str:
    """; step 40 moved the weights of fc1 by 12 % of their size."""
    if not pace.looks:
        return ""
    healthy = limit("F01", "healthy")
    parts = " and ".join(beside(ratio, healthy) for _, ratio in pace.looks)
    steps = " and ".join(f"{step:,}" for step, _ in pace.looks)
    usual = f"; healthy runs hardly ever exceed {percent(healthy)}" if pace.ratio > healthy else ""
    many = "s" if len(pace.looks) > 1 else ""
    return f"; step{many} {steps} moved the weights of {pace.layer} by {parts} of their size{usual}"


def _evidence(pace: StepSize) -> str:
    if not pace.looks:
        return pace.words
    steps = " and ".join(f"{step:,}" for step, _ in pace.looks)
    if len(pace.looks) > 1:
        return f"update ratio {pace.ratio:.2g} (geometric mean) at steps {steps}"
    return f"update ratio {pace.ratio:.2g} at step {steps}"


def _crossed(pace: StepSize) -> float | None:
    """Return the limit, where the update ratio is what crossed it and not the loss."""
    return limit("F01", "ratio") if pace.ratio > limit("F01", "ratio") else None


def _rate_then(obs: Observations, pace: StepSize) -> str:
    """Say the layer's rate in the step that shows it; where that is not known, the highest so far."""
    rate, share = obs.rate_at(pace.begun), obs.rate_factor(pace.layer)
    if math.isfinite(rate):
        return f"{share * rate:.3g} at step {pace.begun:,}"
    return f"up to {share * obs.highest_by(pace.begun):.3g}"


@rule("F01", "steps", "layers", "end")
def rate_too_high(obs: Observations) -> RuleResult | None:
    pace = too_fast(obs)
    if pace is None or _blamed_for_speed(obs) != "F01":
        return None
    times, cure = _cure(obs, pace.ratio)
    by_hand = obs.raised_by(pace.begun)
    why = f" The learning rate ({_rate_then(obs, pace)}) is probably {times:.0f} times too high."
    why += change(obs, pace.begun)
    if by_hand is not None:
        why = f"{change_text(by_hand)} That is probably too high."
    return RuleResult(
        f"By step {pace.step:,} {pace.words}{_moved(pace)}.{why}",
        step=pace.since,
        layer=pace.layer,
        value=pace.ratio,
        threshold=_crossed(pace),
        evidence=_evidence(pace),
        cure={} if by_hand else cure,
        advice="Set the rate back to what it was, from a checkpoint of before." if by_hand else "",
        test="rate/10",
        severity="note" if obs.recovered else None,
    )


@rule("F31", "steps", "layers", "end")
def warm_up_missing(obs: Observations) -> RuleResult | None:
    pace = too_fast(obs)
    if pace is None or _blamed_for_speed(obs) != "F31":
        return None
    _, cure = _cure(obs, pace.ratio)
    steps = max(20, min(1000, (obs.total_steps or 1000) // 20))
    return RuleResult(
        f"By step {pace.step:,} {pace.words}{_moved(pace)}. The rate ({_rate_then(obs, pace)}) is high, and nothing "
        f"warmed it up.{change(obs, pace.begun)}",
        step=pace.since,
        layer=pace.layer,
        value=pace.ratio,
        threshold=_crossed(pace),
        evidence=_evidence(pace),
        cure={**cure, "warmup": str(steps)} if cure else {},
        test="rate/10",
        severity="note" if obs.recovered else None,
    )


@rule("F30", "steps", "layers", "end")
def batch_and_rate(obs: Observations) -> RuleResult | None:
    batch, times, rate = obs.batch_size, obs.times_typical, obs.rate
    if not batch or times is None or rate is None or obs.changes:
        return None  # who sets the rate by hand runs at no rate that fits or does not
    fast, slow = too_fast(obs), too_slow(obs)
    if fast is not None and _blamed_for_speed(obs) == "F30":
        pace, word = fast, "large"
    elif slow is not None and batch >= limit("F30", "large") and times * 64 / batch < 1 / limit("F30", "off"):
        pace, word = slow, "small"
        if times < 1e-2:
            return None  # too low for any batch
    elif (crawl := _crawls(obs, batch, times)) is not None:
        pace, word = crawl, "small"
    elif (stuck := _stuck(obs, batch, times)) is not None:
        pace, word = stuck, "large"
    else:
        return None
    better = short(rate * batch / 64 / (times if times > 1 else 1)) if word == "large" else short(rate * batch / 64)
    seen = f"{_evidence(pace)}, " if pace.looks else ""
    words = f"by step {pace.step:,} {pace.words}" if pace.words else f"step {pace.step:,} moved {pace.layer} by "
    words += "" if pace.words else percent(pace.ratio)
    return RuleResult(
        f"With {batch:,} images a batch, a rate of {rate:.3g} gives steps that are too {word} ({words}). By the linear "
        f"rule {better:.3g} fits.",
        step=pace.since,
        layer=pace.layer,
        value=pace.ratio,
        threshold=_crossed(pace) if word == "large" else limit("F02", "ratio") if pace.looks else None,
        evidence=f"{seen}batch {batch:,}, rate {rate:.3g}",
        cure={} if obs.own_loop else {"lr": better},
        test="rate/10" if word == "large" else "",
        severity="note" if obs.recovered or (obs.own_loop and falls(obs)) else None,
    )


def _crawls(obs: Observations, batch: int, times: float) -> StepSize | None:
    """Find a large batch at a fraction of its rate, whose loss fell by less than a tenth in 50 steps."""
    guess, step = obs.guess, int(limit("F30", "steps"))
    usual = batch < limit("F30", "large") or times * 64 / batch >= 1 / limit("F30", "far") or times < 1e-3
    if guess is None or usual or obs.steps_done <= step or obs.warmed_up or not obs.loss_at(step) > 0.9 * guess:
        return None
    return StepSize(step, "", math.nan, rise(obs, step))


def _stuck(obs: Observations, batch: int, times: float) -> StepSize | None:
    """Find a small batch at a rate that is usual for large ones, and a loss no better than a guess."""
    guess, windows = obs.guess, obs.windows
    rows = int(limit("F30", "stuck")) // 10 + 1
    usual = batch <= limit("F30", "small") and times * 64 / batch > limit("F30", "off") and 0.25 <= times <= 4
    if guess is None or not usual or len(windows) < rows:
        return None
    means = np.convolve(windows.loss, np.ones(4) / 4, "valid")
    found = np.flatnonzero((np.arange(len(means)) + 4 >= rows) & (means > 0.98 * guess))
    if not len(found):
        return None
    step = int(windows.end[found[0] + 3]) - 1
    return StepSize(step, "", math.nan, rise(obs, step))


@rule("F02", "steps", "layers", "end")
def rate_too_low(obs: Observations) -> RuleResult | None:
    pace = too_slow(obs)
    if pace is None:
        return None
    rate, told = obs.rate, loss_by(obs, pace.step)
    times = min(max(nice(3e-3 / pace.ratio), 3.0), 1e6)
    by_hand = obs.change_by(pace.step) is not None
    cost = f" with the loss at {told.words} ({guess(obs)})" if told else ""
    return RuleResult(
        f"Step {pace.step:,} moved the weights of {pace.layer}, the middle one of the layers, by "
        f"{beside(pace.ratio, limit('F02', 'ratio'))} of their size, less than {percent(limit('F02', 'ratio'))},{cost}."
        f" The learning rate ({_rate_then(obs, pace)}) is probably {times:,.0f} times too low."
        f"{change(obs, pace.step)}",
        step=pace.step,
        layer=pace.layer,
        value=pace.ratio,
        threshold=limit("F02", "ratio"),
        evidence=f"middle update ratio {pace.ratio:.2g}",
        cure={"lr": short(rate * times)} if rate and not obs.own_loop and not by_hand else {},
        severity="note" if obs.recovered else None,
    )
