"""Symptoms that many faults share: named when nothing upstream explains them."""

from __future__ import annotations

import math

import numpy as np

from cvtui.doctor.observations import Observations
from cvtui.doctor.phrases import change, lowest_by
from cvtui.doctor.phrases import guess as guess_words
from cvtui.doctor.registry import RuleResult, limit, rule


def patience(obs: Observations, steps: float) -> float:
    """Return how many steps of nothing are a symptom: fewer in a short run, more in a long one, and of tiny batches."""
    small = max(1.0, limit("F36", "batch") / (obs.batch_size or limit("F36", "batch")))
    if not obs.total_steps:
        return steps * small
    return small * max(min(steps, max(60.0, 0.5 * obs.total_steps)), limit("F36", "share") * obs.total_steps)


@rule("F36", "steps", "end")
def not_learning(obs: Observations) -> RuleResult | None:
    """Two windows of 50 steps at the loss of a guess, the second at step 149 or later (earlier in short runs)."""
    guess = obs.guess
    windows = obs.windows
    if guess is None:
        return None
    least = patience(obs, limit("F36", "steps"))
    rows = max(2, int(limit("F36", "window") / 10 * least / limit("F36", "steps")))
    if len(windows) < 2 * rows:
        return None
    low, high = limit("F36", "low") * guess, limit("F36", "high") * guess
    means = np.convolve(np.nan_to_num(windows.loss, nan=math.inf), np.ones(rows) / rows, "valid")
    inside = (means > low) & (means < high)
    both = inside[rows:] & inside[:-rows]
    ends = windows.end[2 * rows - 1 :]
    found = np.flatnonzero(both & (ends > least))
    for place in found[:1]:
        step = int(ends[place]) - 1
        if obs.rate_share(step) < 0.1 or (obs.warmed_up and step < 2 * least and obs.rate_share(step) < 0.5):
            continue
        return _tell_not_learning(obs, place + rows, 2 * rows + place - 1, float(means[place + rows]), guess)
    return None


def _tell_not_learning(obs: Observations, first: int, last: int, loss: float, guess: float) -> RuleResult:
    """first, last: windows whose mean the loss is."""
    begun, step = obs.windows.start(first), obs.windows.last(last)
    lowest = lowest_by(obs, step)
    learnt = lowest is not None and lowest.value < 0.9 * min(loss, guess)
    end = ": nothing had been learnt by then"
    if learnt and lowest:
        end = f": what had been learnt is lost (the loss had been {lowest.words})"
    elif obs.first_step:
        end = ""  # what came before is not known here
    return RuleResult(
        f"In the steps {begun:,} to {step:,} the loss was {loss:.3g} on average, where {guess_words(obs)}{end}."
        f"{change(obs, step)}",
        step=step,
        value=loss / guess,
        threshold=limit("F36", "low"),
        evidence=f"loss of steps {begun:,} to {step:,} / loss of a guess = {loss / guess:.3g}",
        test="overfit",
        severity="note" if obs.recovered else None,
    )


def _right(obs: Observations, step: float, guess: float) -> bool:
    """Return True if that one answer was the right one (batches of one class each)."""
    windows = obs.windows
    place = int(np.searchsorted(windows.end, step, side="right")) - 1
    share = float(windows.accuracy[place]) if 0 <= place < len(windows) else math.nan
    return share > 0.9 if math.isfinite(share) else obs.loss_at(step) < 0.5 * guess


@rule("F37", "layers", "steps", "end")
def one_answer(obs: Observations) -> RuleResult | None:
    answers, guess = obs.layers.answers, obs.guess
    if len(answers) < 3 or guess is None or obs.classes < 2 or obs.largest_class > 0.97:
        return None
    if obs.other_objective or obs.facts.outputs == 1:
        return None  # the largest output is no answer
    if not (answers < limit("F37", "entropy")).any():
        return None
    streak = _longest(obs, guess)
    small = max(1.0, limit("F36", "batch") / (obs.batch_size or limit("F36", "batch")))
    if streak is None or streak[1] - streak[0] < small * limit("F37", "steps"):
        return None
    begun, last = streak
    lasting = last - begun >= patience(obs, limit("F37", "lasting")) and last == obs.layers.steps[-1]
    entropy = float(answers[int(np.searchsorted(obs.layers.steps, last))])
    return RuleResult(
        f"From step {int(begun):,} to {int(last):,} nearly all answers were one class."
        + ("" if last == obs.layers.steps[-1] else " Then they were not.")
        + change(obs, int(last)),
        step=int(last if lasting else begun + small * limit("F37", "steps")),
        value=entropy,
        threshold=limit("F37", "entropy"),
        evidence=f"entropy of the answers {entropy:.2g} nat at step {int(last):,}",
        test="zeroed",
        severity=None if lasting and not obs.recovered else "note",  # many a net begins so, and learns
    )


def _longest(obs: Observations, guess: float) -> tuple[float, float] | None:
    """First and last sample's step of the longest row of samples with one answer, which was not the right one."""
    rows: list[tuple[float, float]] = []
    going = False
    for step, entropy in zip(obs.layers.steps.tolist(), obs.layers.answers.tolist(), strict=True):
        one = entropy < limit("F37", "entropy") and not _right(obs, step, guess)
        if one:
            rows.append((rows.pop()[0], step) if going else (step, step))
        going = one
    return max(rows, key=lambda row: row[1] - row[0], default=None)
