"""Rules on the step size: too large or too small, by the rate, the batch size or a missing warm-up."""

from __future__ import annotations

import math

import numpy as np

from cvtui.doctor.catalogue import TYPICAL_RATES
from cvtui.doctor.learning import falls, learns, log_of_zero
from cvtui.doctor.observations import Observations
from cvtui.doctor.phrases import beside, change, change_text, guess, loss_by, rise
from cvtui.doctor.registry import RuleResult, limit, nice, percent, rule, short
from cvtui.doctor.rules.symptoms import not_learning
from cvtui.doctor.step_size import StepSize, too_fast, too_slow


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
    """Say the layer's rate in the step that shows it, in brackets after a blank; else the highest so far.

    "" where no rate is known.
    """
    rate, share = obs.rate_at(pace.begun), obs.rate_factor(pace.layer)
    if math.isfinite(rate):
        return f" ({share * rate:.3g} at step {pace.begun:,})"
    highest = obs.highest_by(pace.begun)
    return f" (up to {share * highest:.3g})" if math.isfinite(highest) else ""


@rule("F01", "steps", "layers", "end")
def rate_too_high(obs: Observations) -> RuleResult | None:
    pace = too_fast(obs)
    if pace is None or _blamed_for_speed(obs) != "F01" or log_of_zero(obs):
        return None
    times, cure = _cure(obs, pace.ratio)
    by_hand = obs.raised_by(pace.begun)
    why = f" The learning rate{_rate_then(obs, pace)} is probably {times:.0f} times too high."
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


@rule("F31", "steps", "layers", "epochs", "end")
def warm_up_missing(obs: Observations) -> RuleResult | None:
    pace = too_fast(obs)
    if pace is None or _blamed_for_speed(obs) != "F31" or log_of_zero(obs):
        return None
    _, cure = _cure(obs, pace.ratio)
    steps = max(20, min(1000, (obs.total_steps or 1000) // 20))
    return RuleResult(
        f"By step {pace.step:,} {pace.words}{_moved(pace)}. The rate{_rate_then(obs, pace)} is high, and nothing "
        f"warmed it up.{change(obs, pace.begun)}",
        step=pace.since,
        layer=pace.layer,
        value=pace.ratio,
        threshold=_crossed(pace),
        evidence=_evidence(pace),
        cure={**cure, "warmup": str(steps)} if cure else {},
        test="rate/10",
        severity="note" if obs.recovered or (obs.own_loop and learns(obs) and falls(obs)) else None,
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


def _no_rate(obs: Observations) -> RuleResult | None:
    """Find a rate of exactly 0 in all of the steps: a schedule's factor that is 0 (a warm-up in whole numbers)."""
    windows, enough = obs.windows, int(limit("F02", "windows"))
    if len(windows) < enough or obs.first_step != 0 or not (windows.rate_high == 0).all():
        return None
    step = windows.last(len(windows) - 1)
    return RuleResult(
        f"The learning rate was 0 in all of the steps 0 to {step:,}: no step moves a weight.",
        step=windows.last(enough - 1),
        value=0.0,
        threshold=0.0,
        evidence=f"rate 0 up to step {step:,}",
        advice="Look at what the schedule multiplies the rate by: step // warmup is 0 for the whole warm-up.",
    )


def _far_below(obs: Observations) -> RuleResult | None:
    """Find a loss that stays at a guess while the rate never came near what is usual: a warm-up that doesn't end."""
    usual, stuck, windows = TYPICAL_RATES.get(obs.optimizer), not_learning(obs), obs.windows
    if usual is None or stuck is None or obs.changes or not len(windows):
        return None
    highest = float(np.nanmax(windows.rate_high[windows.end <= stuck.step + 1], initial=0.0))
    times = highest / usual
    if not 0 < times < limit("F02", "typical"):
        return None
    return RuleResult(
        f"By step {stuck.step:,} the loss is still that of a guess, and the rate has not been above {highest:.3g}: "
        f"{1 / times:,.0f} times less than is usual for {obs.optimizer}. Does a warm-up or schedule count in other "
        "units?",
        step=stuck.step,
        value=times,
        threshold=limit("F02", "typical"),
        evidence=f"rate / usual rate = {times:.2g}",
        severity="note" if obs.recovered else None,
    )


def _creeps(obs: Observations) -> RuleResult | None:
    """Find a loss that falls steadily and hardly at all, over epochs, at a rate far below what is usual."""
    usual, least, windows = TYPICAL_RATES.get(obs.optimizer), obs.guess, obs.windows
    early = obs.first_step != 0 or len(obs.epochs) < limit("F02", "epochs")
    if usual is None or least is None or obs.changes or early:
        return None
    if obs.own_loop and obs.facts.loss_value != "cross-entropy":
        return None  # (how low another objective can get is not known)
    highest, loss = obs.rate or 0.0, windows.loss
    enough = int(limit("F36", "steps")) // 10
    if not 0 < highest < limit("F02", "typical") * usual or len(loss) < enough or obs.facts.optimizers > 1:
        return None
    parts = [float(part.mean()) for part in np.array_split(loss[-enough:], 3)]
    steady = parts[0] > parts[1] > parts[2]
    if not (steady and limit("F02", "left") * least < parts[2] < 1.02 * least):
        return None
    step = windows.last(len(windows) - 1)
    return RuleResult(
        f"After {len(obs.epochs):,} epochs the loss is {parts[2]:.3g} and still falls slowly ({guess(obs)}), and the "
        f"rate has not been above {highest:.3g}: {usual / highest:,.0f} times less than is usual for {obs.optimizer}. "
        "Such a rate is for weights that are trained already.",
        step=step,
        value=highest / usual,
        threshold=limit("F02", "typical"),
        evidence=f"rate / usual rate = {highest / usual:.2g}, loss {parts[2] / least:.2g} of a guess's",
        severity="note" if obs.recovered else None,
    )


@rule("F02", "steps", "layers", "epochs", "end")
def rate_too_low(obs: Observations) -> RuleResult | None:
    pace = too_slow(obs)
    if pace is None:
        return _no_rate(obs) or _far_below(obs) or _creeps(obs)
    rate, told = obs.rate, loss_by(obs, pace.step)
    times = min(max(nice(3e-3 / pace.ratio), 3.0), 1e6)
    by_hand = obs.change_by(pace.step) is not None
    cost = f" with the loss at {told.words} ({guess(obs)})" if told else ""
    return RuleResult(
        f"Step {pace.step:,} moved the weights of {pace.layer}, the middle one of the layers, by "
        f"{beside(pace.ratio, limit('F02', 'ratio'))} of their size, less than {percent(limit('F02', 'ratio'))},{cost}."
        f" The learning rate{_rate_then(obs, pace)} is probably {times:,.0f} times too low."
        f"{change(obs, pace.step)}",
        step=pace.step,
        layer=pace.layer,
        value=pace.ratio,
        threshold=limit("F02", "ratio"),
        evidence=f"middle update ratio {pace.ratio:.2g}",
        cure={"lr": short(rate * times)} if rate and not obs.own_loop and not by_hand else {},
        severity="note" if obs.recovered else None,
    )
