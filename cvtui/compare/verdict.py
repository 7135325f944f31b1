"""The lecture's figure "loss curves for different learning rates", as a rule: low, good, high or very high."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

Name: TypeAlias = Literal["low", "good", "high", "very high"]

GOOD_MARGIN = 0.1
"""Good: the loss ends within this share of the best run's whole fall."""
EARLY = 0.25
FAST_SHARE = 0.75
LATE_SHARE = 0.25
"""High: FAST_SHARE of a run's own fall came in its first quarter, and less than this share of what was left later."""
RISE = 0.1
"""Very high: the loss ends this share above its start; less is the noise of the batches."""


@dataclass(frozen=True)
class Verdict:
    name: Name
    why: str
    diverged_at: int | None = None
    """The first step whose loss was not finite."""


def judge(losses: Sequence[NDArray[np.floating[Any]]]) -> list[Verdict]:
    """One verdict for each run of a race, from the training losses of all its steps.

    very high: not finite, or ends above where it began. good: ends near the best of all. high: falls fast, then stays
    above the best. low: still on its way down. A run without enough steps (fewer than 8) is judged as it stands.
    """
    shapes = [_shape(np.asarray(loss, dtype=np.float64)) for loss in losses]
    alive = [shape for shape in shapes if shape.diverged_at is None and np.isfinite(shape.end)]
    best = min((shape.end for shape in alive), default=np.nan)
    return [_judge(shape, best) for shape in shapes]


@dataclass(frozen=True)
class _Shape:
    start: float
    early: float
    end: float
    noise: float
    """Between one batch and the next: standard deviation over the last quarter."""
    diverged_at: int | None


def _shape(loss: NDArray[np.float64]) -> _Shape:
    bad = np.flatnonzero(~np.isfinite(loss))
    diverged_at = int(bad[0]) if len(bad) else None
    known = loss[np.isfinite(loss)]
    if not len(known):
        return _Shape(np.nan, np.nan, np.nan, np.nan, diverged_at)
    width = max(min(5, len(known)), len(known) // 20)
    quarter = max(width, int(len(known) * EARLY))
    early = float(np.median(known[quarter - width : quarter]))
    noise = float(np.std(known[-max(2, len(known) // 4) :]))
    return _Shape(float(np.median(known[:5])), early, float(np.median(known[-width:])), noise, diverged_at)


def _judge(shape: _Shape, best: float) -> Verdict:
    if shape.diverged_at is not None:
        return Verdict("very high", f"diverged at step {shape.diverged_at:,}", shape.diverged_at)
    if not np.isfinite(shape.end):
        return Verdict("low", "no step yet")
    fall, most = shape.start - shape.end, shape.start - best
    if shape.end > shape.start + max(RISE * shape.start, min(2 * shape.noise, shape.start)):
        return Verdict("very high", f"the loss rose from {shape.start:.3g} to {shape.end:.3g}")
    if most <= 0 or shape.end - best <= GOOD_MARGIN * most:
        return Verdict("good", f"falls to {shape.end:.3g}")
    early_share = (shape.start - shape.early) / fall if fall > 0 else 1.0
    if fall <= RISE * shape.start:
        return Verdict("low", f"hardly moves: {shape.start:.3g} to {shape.end:.3g}")
    if early_share >= FAST_SHARE and shape.early - shape.end < LATE_SHARE * shape.early:
        return Verdict("high", f"falls fast to {shape.early:.3g}, then stays at {shape.end:.3g}")
    return Verdict("low", f"still on its way down, at {shape.end:.3g}")
