"""Whether a run learns, by its accuracies where they are known, else by its loss."""

from __future__ import annotations

import math

import numpy as np

from cvtui.doctor.observations import Observations

HALF = 0.5
"""Of the way from a guess's accuracy to 1."""
FALL = 0.7
"""Of the first losses."""


def learns(obs: Observations) -> bool:
    """Return True if at least half of what a guess gets wrong is right by now, or the loss has come well down."""
    windows = obs.windows
    if not len(windows):
        return False
    least = beyond(obs, HALF)
    right = float(np.nanmean(windows.accuracy[-5:])) if np.isfinite(windows.accuracy[-5:]).any() else math.nan
    if obs.epochs and obs.epochs[-1].val_accuracy is not None:
        return obs.epochs[-1].val_accuracy >= least
    if math.isfinite(right):
        return right >= least
    return falls(obs)


def falls(obs: Observations) -> bool:
    """Return True if the loss is well below that of the first steps."""
    first, last = obs.losses[:5], obs.windows.loss[-3:]
    first, last = first[np.isfinite(first)], last[np.isfinite(last)]
    return bool(len(first) and len(last) and obs.bad_step is None and last.mean() < FALL * first.mean())


def log_of_zero(obs: Observations) -> bool:
    """Return True if a net that was learning came to no number, and its loss takes a bare logarithm."""
    before, guess = obs.before_bad, obs.guess
    learnt = before is not None and guess is not None and before[1] < FALL * guess
    return obs.facts.bare_log and obs.bad_step is not None and learnt


def beyond(obs: Observations, share: float) -> float:
    """Return an accuracy that lies `share` of the way from a guess (the largest class) to 1."""
    guess = obs.largest_class if obs.classes > 1 else 0.5  # (one output, and labels that nothing tells: two classes)
    return guess + share * (1 - guess)
