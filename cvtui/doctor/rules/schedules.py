"""Rates that decay too early, or whose schedule is stepped in other units than it was made for."""

from __future__ import annotations

import itertools
import math

import numpy as np

from cvtui.doctor.learning import learns
from cvtui.doctor.observations import Observations
from cvtui.doctor.phrases import change
from cvtui.doctor.registry import RuleResult, limit, rule, some
from cvtui.text import counted


@rule("F32", "facts", "steps", "epochs")
def decays_early(obs: Observations) -> RuleResult | None:
    planned = obs.facts.rates
    total = obs.total_steps
    if obs.own_loop and (odd := _of_own_loop(obs)) is not None:
        return odd
    share = limit("F32", "share")
    if planned and total:
        steps, rates = np.array(planned).T
        return _planned(steps, rates, total, share)
    return _observed(obs, total, share)


def _planned(steps: np.ndarray, rates: np.ndarray, total: int, share: float) -> RuleResult | None:
    highest = rates.max()
    half = limit("F32", "half") * total
    if not highest > 0:
        return None
    low = rates < share * highest
    after_peak = steps >= steps[rates.argmax()]
    # It must stay down: the restarts of a cosine touch 0 and come back.
    places = [i for i in np.flatnonzero(low & after_peak & (steps < half)) if low[i:].all()]
    if not places:
        return None
    step = int(steps[places[0]])
    return RuleResult(
        f"As planned, the rate is below a hundredth of its maximum ({highest:.3g}) from step {step:,} of {total:,} at "
        "the latest; at such a rate hardly anything is learnt. Was a schedule meant per epoch stepped per batch?",
        value=step / total,
        threshold=limit("F32", "half"),
        evidence=f"rate {rates[places[0]]:.2g} at step {step:,}",
        cure={"schedule": "cosine"},
    )


def _of_own_loop(obs: Observations) -> RuleResult | None:
    return (
        _never_stepped(obs) or _by_epoch(obs) or _waves(obs) or _cut_within(obs) or _by_updates(obs) or _begun_anew(obs)
    )


def _by_updates(obs: Observations) -> RuleResult | None:
    """Find a rate that is divided by 1 + decay * updates, with a decay that was meant for epochs."""
    rates, epochs = obs.rates[: int(limit("F32", "steps"))], obs.epochs
    if obs.first_step or len(rates) < 20 or len(epochs) < 2 or not (rates > 0).all() or obs.changes or learns(obs):
        return None
    decay = float(rates[0] / rates[1] - 1)
    if decay < limit("F32", "decay") or epochs[0].step < 2:
        return None
    planned = rates[0] / (1 + decay * np.arange(len(rates)))
    tenth = math.ceil(9 / decay)
    if not np.allclose(rates, planned, rtol=1e-3) or tenth > 2 * epochs[0].step:
        return None
    return RuleResult(
        f"The rate is divided by 1 + {decay:.3g} times the number of updates: at step {tenth:,} it is a tenth of what "
        f"it was, and {rates[-1]:.2g} at step {len(rates) - 1:,}. Is a decay that was meant for epochs counted in "
        "updates?",
        step=tenth,
        value=decay,
        threshold=limit("F32", "decay"),
        evidence=f"rate {rates[0]:.3g} / (1 + {decay:.3g} n)",
        name="rate decays by updates",
        advice="Divide the decay by the number of updates in an epoch, or leave it out.",
    )


def _begun_anew(obs: Observations) -> RuleResult | None:
    """Find a rate that rises through each epoch and begins again where it began: a schedule made anew in each."""
    rates, ends = obs.rates, [0, *(epoch.step for epoch in obs.epochs)]
    parts = [rates[a:b] for a, b in itertools.pairwise(ends) if b <= len(rates)]
    if obs.first_step or len(parts) < limit("F32", "anew") or len(parts[0]) < 5 or obs.changes:
        return None
    first = parts[0]
    if not (first > 0).all() or (np.diff(first) < 0).any() or first[-1] < max(1.5 * first[0], 1.0001 * first[-2]):
        return None  # (a warm-up of each task, and then one rate, is meant)
    if any(len(one) != len(first) or not np.allclose(one, first, rtol=1e-3) for one in parts):
        return None
    return RuleResult(
        f"In each of the first {len(parts):,} epochs the rate rises from {first[0]:.3g} to {first[-1]:.3g}, and then "
        "begins again: is the schedule made anew in each epoch? It never gets past its warm-up.",
        step=ends[2] - 1,
        value=float(first[-1]),
        evidence=f"{len(parts):,} epochs with one and the same rising rate",
        name="schedule made anew in each epoch",
        advice="Make the schedule once, before the loop over epochs.",
    )


def _never_stepped(obs: Observations) -> RuleResult | None:
    """Find a rate that stays at a small part of what its schedule multiplies."""
    base, windows = obs.facts.initial_rate, obs.windows
    if not base or not len(windows) or not len(obs.rates) or len(obs.epochs) < 2:
        return None
    rate, highest = float(obs.rates[0]), float(windows.rate_high.max())
    still = highest <= rate * (1 + 1e-6) and float(np.nanmin(windows.rate)) >= rate * (1 - 1e-6)
    begun, guess = obs.first_loss, obs.label_entropy
    if begun is not None and guess and begun < limit("F32", "new") * guess:
        return None  # it was trained before: the last of its rates
    if not still or not 0 < rate < limit("F32", "base") * base or obs.steps_done < limit("F32", "still"):
        return None
    return RuleResult(
        f"The rate was {rate:.3g} in all of {obs.steps_done:,} steps, and the optimiser was made with {base:.3g}: a "
        "schedule was put on it (a warm-up?) and is never stepped.",
        step=obs.steps_done - 1,
        value=rate / base,
        threshold=limit("F32", "base"),
        evidence=f"rate {rate:.3g}, made with {base:.3g}",
        name="schedule never stepped",
        advice="Call scheduler.step() after each optimizer.step(), or once an epoch, as the schedule was meant.",
    )


def _by_epoch(obs: Observations) -> RuleResult | None:
    """Find a schedule that was made for as many steps as the run has, and made one an epoch."""
    facts, epochs, steps = obs.facts, obs.epochs, obs.steps_done
    planned, made = facts.scheduler_steps, facts.scheduler_made
    if planned is None or made is None or obs.first_step or not epochs or epochs[0].epoch != 1:
        return None
    least = limit("F32", "batches") * len(epochs)
    if made > len(epochs) or steps < least or abs(planned - steps) > max(len(epochs), limit("F32", "near") * steps):
        return None
    return RuleResult(
        f"{facts.scheduler} was made for {planned:,} steps, about as many as the {steps:,} of the run, and has made "
        f"{made:,} in {counted(len(epochs), 'epoch')}: the rate never got beyond the beginning of its schedule. It "
        "counts batches, and is stepped once an epoch.",
        step=steps - 1,
        value=made,
        threshold=planned,
        evidence=f"{made:,} of {planned:,} steps of the schedule made in {steps:,} steps",
        name="schedule stepped once an epoch",
        advice="Call scheduler.step() behind optimizer.step(), once a batch; or make it for the number of epochs.",
    )


def _waves(obs: Observations) -> RuleResult | None:
    """Find a rate that falls to nothing and rises again step by step, over and over: a cosine beyond its end."""
    rates = obs.rates
    if obs.first_step or len(rates) < 20 or not np.isfinite(rates).all():
        return None
    highest = rates.max()
    peak = int(rates.argmax())
    low = rates < limit("F32", "share") * highest
    valleys = [at for at in range(peak + 1, len(rates)) if low[at] and not low[at - 1]]
    smooth = []
    for at in valleys:
        rise = rates[at : at + 1 + next((n for n, rate in enumerate(rates[at:]) if rate > 0.5 * highest), 0)]
        steps = np.diff(rise)
        # (A triangle rises by the same at each step, a cosine slowly at first.)
        smooth.append(len(rise) > 2 and steps.max() < 0.4 * highest and steps[0] < 0.5 * steps.max())
    if sum(smooth) < limit("F32", "valleys"):
        return None
    period = valleys[1] - valleys[0]
    return RuleResult(
        f"The rate falls from {highest:.3g} to nothing and rises again every {period:,} steps: a cosine that is "
        "stepped beyond its end (T_max). Was it meant per epoch, and is it stepped per batch?",
        step=valleys[1],
        value=period,
        threshold=0,
        evidence=f"rate 0 at steps {valleys[0]:,} and {valleys[1]:,}",
        name="schedule in waves",
        advice="Give T_max the number of all steps, or step the schedule once an epoch.",
    )


def _cut_within(obs: Observations) -> RuleResult | None:
    """Find a rate that is cut by one factor three times within one epoch, of several, and ends at a hundredth."""
    rates, cuts = obs.rates, int(limit("F32", "cuts"))
    if obs.first_step or len(rates) < 20 or not (rates > 0).all() or len(obs.epochs) < 2 or obs.changes:
        return None
    factors = rates[1:] / rates[:-1]
    falls = np.flatnonzero(factors < limit("F32", "cut")) + 1
    if len(falls) < cuts or np.ptp(factors[falls - 1]) > 1e-3 or rates[-1] > limit("F32", "share") * rates.max():
        return None
    ends = [0, *(epoch.step for epoch in obs.epochs)]
    for number, (begin, end) in enumerate(itertools.pairwise(ends), 1):
        inside = falls[(falls > begin) & (falls < end)]
        if len(inside) < cuts or inside[cuts - 1] > limit("F32", "half") * len(rates):
            continue  # (late cuts are planned ones, and few epochs are told)
        steps = [f"{int(step):,}" for step in inside[:cuts]]
        return RuleResult(
            f"The rate was multiplied by {factors[inside[0] - 1]:.3g} at the steps {some(steps)}, all within epoch "
            f"{number:,}, and is {rates[-1]:.2g} in the end. Is a plateau judged by the loss of single batches "
            "(ReduceLROnPlateau in the loop over batches)?",
            step=int(inside[cuts - 1]),
            value=float(rates[-1] / rates.max()),
            threshold=limit("F32", "share"),
            evidence=f"{len(inside):,} cuts within epoch {number:,}",
            name="rate cut within an epoch",
            advice="Step ReduceLROnPlateau once an epoch, with the validation loss.",
        )
    return None


def _observed(obs: Observations, total: int, share: float) -> RuleResult | None:
    """Find, in a custom loop, a rate that shrinks by the same factor at every step, or is already gone."""
    if obs.first_step:
        return None  # it goes on somewhere in the middle: what the rate was before is not known here
    rates = obs.rates
    until = limit("F32", "half") * total if total else limit("F32", "steps")
    row = int(limit("F32", "row"))
    if len(rates) > row and (rates[: row + 1] > 0).all():
        factors = rates[1 : row + 1] / rates[:row]
        if factors.max() < 0.999 and factors.max() - factors.min() < 1e-3:
            gone = math.log(share) / math.log(float(factors.mean()))
            if gone < until:
                return RuleResult(
                    f"The rate was multiplied by {factors.mean():.3g} at each of the steps 1 to {row}: if that goes on "
                    f"it is a hundredth of what it was at step {gone:,.0f}{f' of {total:,}' if total else ''}. "
                    "Was a schedule meant per epoch stepped per batch?",
                    step=row,
                    value=float(factors.mean()),
                    threshold=share,
                    evidence=f"rate {rates[0]:.3g}, {row} steps later {rates[row]:.3g}",
                )
    windows = obs.windows
    if not len(windows):
        return None
    highest = np.fmax.accumulate(windows.rate_high)
    low = windows.rate_high <= share * highest * (1 + 1e-6)
    place = int(low.argmax())
    if not low[place:].all() or windows.end[place] >= until:
        return None
    if not total and windows.end[-1] < 2 * windows.end[place]:
        return None  # the end of a run whose length is not known may be near
    step, rate, highest_then = windows.last(place), float(windows.rate_high[place]), float(highest[place])
    return RuleResult(
        f"From step {windows.start(place):,} to {step:,}{f' of {total:,}' if total else ''} the rate was at most "
        f"{rate:.2g}, after {highest_then:.3g}; at such a rate hardly anything is learnt.{change(obs, step)}",
        step=step,
        value=rate / highest_then,
        threshold=share,
        evidence=f"rate {rate:.2g} by step {step:,}",
    )
