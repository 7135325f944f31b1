"""Judge loss curves: low, good, high or very high.

The doctor, `check`, `compare`, `sweep`, `lr-find` and the labs use it, and no other rule names a rate. Its limits are
those of the catalogue (table `curves`).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from cvtui.doctor.catalogue import CURVES

Name: TypeAlias = Literal["low", "good", "high", "very high"]
Pace: TypeAlias = Literal["fast", "slow", ""]


def learnt(loss: float, guess: float) -> bool:
    """Return True if a loss is so far below a guess's that the net must have learnt something."""
    return math.isfinite(loss) and loss < CURVES["learnt"] * guess


def knows(accuracy: float | None, chance: float) -> bool:
    """Return True if an accuracy (0..1) is clearly above that of a guess."""
    return accuracy is not None and accuracy > chance + CURVES["knows"] * (1 - chance)


def has_learnt(loss: float, guess: float, accuracy: float | None, chance: float) -> bool:
    """Return True if a run has learnt, by its late loss or by its validation accuracy.

    (86 % of two classes still cost 0.6 of a guess.)
    """
    well = accuracy is not None and accuracy > chance + CURVES["well"] * (1 - chance)
    return learnt(loss, guess) or (well and loss < CURVES["better"] * guess)


@dataclass(frozen=True, kw_only=True)
class Seen:
    """What is known of one run."""

    loss: NDArray[np.floating[Any]] | Sequence[float]
    """Training losses of all its steps; NaN or infinite where they were not finite."""
    guess: float | None = None
    """The loss of a guess, where it is known; the first loss serves otherwise."""
    pace: Pace = ""
    """What the doctor says of its steps: too large, too small, or nothing."""
    words: str = ""
    """Why."""
    rate: float | None = None
    """Its learning rate, where the runs differ by nothing else: a rate above the best run's is not low."""


@dataclass(frozen=True)
class Verdict:
    name: Name
    why: str
    diverged_at: int | None = None
    """The first step whose loss was not finite."""


def judge(runs: Sequence[Seen]) -> list[Verdict]:
    """One verdict for each run of a race.

    very high: not finite, ends above where it began, or learns nothing because its steps are too large. good: has
    learnt, and ends near the best of all. high: falls fast or overshoots, then stays above the best. low: still on its
    way down, or hardly moves. A run without enough steps (fewer than 8) is judged as it stands.
    """
    shapes = [_shape(run) for run in runs]
    alive = [n for n, shape in enumerate(shapes) if shape.diverged_at is None and np.isfinite(shape.end)]
    best = min(alive, key=lambda n: shapes[n].end, default=None)
    if best is None:
        return [_judge(run, shape, math.nan, False) for run, shape in zip(runs, shapes, strict=True)]
    losses = [_means(run.loss) for run in runs]
    half = int((losses[best] <= (shapes[best].first + shapes[best].end) / 2).argmax())
    level = CURVES["as_fast"] * losses[best][half]
    quick = [bool(half < len(loss) and loss[half] <= level) for loss in losses]
    end = shapes[best].end
    found = [_judge(run, shape, end, early) for run, shape, early in zip(runs, shapes, quick, strict=True)]
    return [_beside(verdict, run.rate, runs[best].rate) for verdict, run in zip(found, runs, strict=True)]


def _beside(verdict: Verdict, rate: float | None, best: float | None) -> Verdict:
    """Call a run high that seemed low, where a lower rate ends below it."""
    if verdict.name == "low" and rate is not None and best is not None and rate > best:
        return Verdict("high", f"{verdict.why}; the lower rate {best:g} ends below it")
    return verdict


def _means(loss: NDArray[np.floating[Any]] | Sequence[float]) -> NDArray[np.float64]:
    """Each loss with the four after it."""
    known = np.asarray(loss, dtype=np.float64)
    width = min(5, len(known))
    return np.convolve(known, np.ones(width) / width, "valid") if width else known


@dataclass(frozen=True)
class _Shape:
    first: float = math.nan
    start: float = math.nan
    level: float = math.nan
    """The loss of a guess, or of the start where that was better."""
    peak: float = math.nan
    early: float = math.nan
    end: float = math.nan
    noise: float = math.nan
    """Between one batch and the next: standard deviation over the last quarter."""
    diverged_at: int | None = None


def _shape(run: Seen) -> _Shape:
    loss = np.asarray(run.loss, dtype=np.float64)
    bad = np.flatnonzero(~np.isfinite(loss))
    diverged_at = int(bad[0]) if len(bad) else None
    known = loss[np.isfinite(loss)]
    if not len(known):
        return _Shape(diverged_at=diverged_at)
    width = max(min(5, len(known)), len(known) // 20)
    quarter = max(width, int(len(known) * CURVES["early"]))
    middles = np.median(np.lib.stride_tricks.sliding_window_view(known[:quarter], min(5, len(known))), axis=1)
    start = float(np.median(known[:5]))
    return _Shape(
        first=float(known[0]),
        start=start,
        level=min(start, run.guess or start),
        peak=float(middles.max()) if len(middles) else start,
        early=float(np.median(known[quarter - width : quarter])),
        end=float(np.mean(known[-width:])),  # what jumps about costs what it costs: a median hides it
        noise=float(np.std(known[-max(2, len(known) // 4) :])),
        diverged_at=diverged_at,
    )


def _judge(run: Seen, shape: _Shape, best: float, quick: bool) -> Verdict:
    """Judge one curve beside the `best` end of all.

    quick: when the best run had made half of its way, this one was as far.
    """
    if shape.diverged_at is not None:
        return Verdict("very high", f"diverged at step {shape.diverged_at:,}", shape.diverged_at)
    if not np.isfinite(shape.end):
        return Verdict("low", "no step")
    start, end, rise = shape.start, shape.end, CURVES["rise"]
    begun = run.guess is not None and learnt(start, run.guess)  # a fork, or weights that had learnt already
    flat = end > (1 - rise) * shape.level and not begun
    if run.pace == "fast":
        return Verdict("very high" if flat else "high", run.words)
    if end > start + max(rise * start, min(2 * shape.noise, start)):
        return Verdict("very high", f"the loss rose from {start:.3g} to {end:.3g}")
    if run.pace == "slow":
        return Verdict("low", run.words)
    # First weights may be worse than a guess: a loss that stays there has not climbed.
    stays = abs(end - start) <= rise * start and start <= (1 + rise) * shape.first
    if flat and (shape.peak > (1 + rise) * start or (start > (1 + rise) * shape.level and not stays)):
        return Verdict("very high", f"up to {max(shape.peak, start):.3g} at first, then stays at {end:.3g}: a guess")
    near = end <= CURVES["near"] * best
    if flat or (begun and not near and end > (1 - rise) * shape.level):
        return Verdict("low", f"hardly moves: {start:.3g} to {end:.3g}")
    if begun and near and shape.peak <= CURVES["over"] * start:
        return Verdict("good", f"begins trained, at {start:.3g}, and ends at {end:.3g}")
    return _judge_fall(shape, best, quick)


def _judge_fall(shape: _Shape, best: float, quick: bool) -> Verdict:
    """Judge a curve that falls: how far, beside the best, and how early."""
    start, end, rise = shape.start, shape.end, CURVES["rise"]
    over = shape.peak > CURVES["over"] * shape.first
    times = 1 + rise if over else CURVES["near"]
    if end - best <= CURVES["margin"] * (start - best) and end <= times * max(best, CURVES["done"] * start):
        return Verdict("good", f"falls to {end:.3g}")
    if over:
        return Verdict("high", f"up to {shape.peak:.3g} at first, then stays above the best, at {end:.3g}")
    fall = start - end
    if quick:
        return Verdict("high", f"as quick as the best at first, then stays above it, at {end:.3g}")
    fast = fall <= 0 or (start - shape.early) / fall >= CURVES["fast"]
    if fast and shape.early - end < CURVES["late"] * shape.early:
        return Verdict("high", f"falls fast to {shape.early:.3g}, then stays at {end:.3g}")
    return Verdict("low", f"still on its way down, at {end:.3g}")
