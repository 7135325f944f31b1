"""Symptoms that many faults share: named when nothing upstream explains them."""

from __future__ import annotations

import math

import numpy as np

from cvtui.doctor.case import Case
from cvtui.doctor.phrases import change, lowest_by
from cvtui.doctor.phrases import guess as guess_words
from cvtui.doctor.registry import Found, limit, rule


def patience(case: Case, steps: float) -> float:
    """So many steps of nothing are a symptom: fewer in a short run, more in a long one, whose beginning they are."""
    if not case.total_steps:
        return steps
    return max(min(steps, max(60.0, 0.5 * case.total_steps)), limit("F36", "share") * case.total_steps)


@rule("F36", "steps", "end")
def not_learning(case: Case) -> Found | None:
    """Two windows of 50 steps at the loss of a guess, the second at step 149 or later (earlier in short runs)."""
    guess = case.guess
    windows = case.windows
    if guess is None:
        return None
    least = patience(case, limit("F36", "steps"))
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
        if case.rate_share(step) < 0.1 or (case.warmed_up and step < 2 * least and case.rate_share(step) < 0.5):
            continue
        return _tell_not_learning(case, place + rows, 2 * rows + place - 1, float(means[place + rows]), guess)
    return None


def _tell_not_learning(case: Case, first: int, last: int, loss: float, guess: float) -> Found:
    """first, last: windows whose mean the loss is."""
    begun, step = case.windows.start(first), case.windows.last(last)
    lowest = lowest_by(case, step)
    learnt = lowest is not None and lowest.value < 0.9 * min(loss, guess)
    end = ": nothing had been learnt by then"
    if learnt and lowest:
        end = f": what had been learnt is lost (the loss had been {lowest.words})"
    elif case.first_step:
        end = ""  # what came before is not known here
    return Found(
        f"In the steps {begun:,} to {step:,} the loss was {loss:.3g} on average, where {guess_words(case)}{end}."
        f"{change(case, step)}",
        step=step,
        value=loss / guess,
        threshold=limit("F36", "low"),
        evidence=f"loss of steps {begun:,} to {step:,} / loss of a guess = {loss / guess:.3g}",
        sure=0.8,
        test="overfit",
        severity="note" if case.recovered else None,
    )


def _right(case: Case, step: float, guess: float) -> bool:
    """Was that one answer the right one (batches of one class each)?"""
    windows = case.windows
    place = int(np.searchsorted(windows.end, step, side="right")) - 1
    share = float(windows.accuracy[place]) if 0 <= place < len(windows) else math.nan
    return share > 0.9 if math.isfinite(share) else case.loss_at(step) < 0.5 * guess


@rule("F37", "layers", "steps", "end")
def one_answer(case: Case) -> Found | None:
    answers, guess = case.layers.answers, case.guess
    if len(answers) < 3 or guess is None or case.classes < 2 or case.largest_class > 0.97:
        return None
    if not (answers < limit("F37", "entropy")).any():
        return None
    streak = _longest(case, guess)
    if streak is None or streak[1] - streak[0] < limit("F37", "steps"):
        return None
    begun, last = streak
    lasting = last - begun >= patience(case, limit("F37", "lasting")) and last == case.layers.steps[-1]
    entropy = float(answers[int(np.searchsorted(case.layers.steps, last))])
    return Found(
        f"From step {int(begun):,} to {int(last):,} nearly all answers were one class."
        + ("" if last == case.layers.steps[-1] else " Then they were not.")
        + change(case, int(last)),
        step=int(last if lasting else begun + limit("F37", "steps")),
        value=entropy,
        threshold=limit("F37", "entropy"),
        evidence=f"entropy of the answers {entropy:.2g} nat at step {int(last):,}",
        sure=0.9,
        test="zeroed",
        severity=None if lasting and not case.recovered else "note",  # many a net begins so, and learns
    )


def _longest(case: Case, guess: float) -> tuple[float, float] | None:
    """First and last sample's step of the longest row of samples with one answer, which was not the right one."""
    rows: list[tuple[float, float]] = []
    going = False
    for step, entropy in zip(case.layers.steps.tolist(), case.layers.answers.tolist(), strict=True):
        one = entropy < limit("F37", "entropy") and not _right(case, step, guess)
        if one:
            rows.append((rows.pop()[0], step) if going else (step, step))
        going = one
    return max(rows, key=lambda row: row[1] - row[0], default=None)
