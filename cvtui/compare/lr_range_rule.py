"""The learning-rate range test (Smith 2015): a bracket between two rules, instead of one number.

The rules, measured over three nets, two optimisers and several seeds against the best of a factor-3 grid
(`python -m tests.benchmarks.lr_find`): fastai's "valley" always lies too low, by up to three decades; where the loss
has climbed half-way back from its lowest point is always too high. So the best rate lies between them. The rate of the
lowest loss is 0.6 to 18 times the best: a quarter of it is the guess in the middle. Slopes are taken in log lr: taken
in lr, the steepest place is the first one, whatever the net.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

Floats: TypeAlias = NDArray[np.float64]

WIDEST = 100.0
WINDOW = 9
"""Points of the centred mean that the curve is smoothed with: a running mean would move everything to the right."""
DIVERGED = 4.0
"""The curve ends where the smoothed loss is this many times its lowest value (or half of where it began)."""
GUESS = 4.0
"""The rate of the lowest loss is divided by this: the short runs at a third of and three times it reach the rest."""


@dataclass(frozen=True)
class Bracket:
    low: float
    """The valley rule, or a hundredth of the rate where the loss is lowest."""
    high: float
    """Where the smoothed loss has climbed half-way back from its lowest point to where it began."""
    pick: float
    """A quarter of the rate where the smoothed loss is lowest, or the middle of the bracket (in log lr) where that lies
    outside."""
    lr: Floats
    loss: Floats
    """The smoothed curve, up to where it diverged."""


class NoBracket(ValueError):
    """The loss never fell: no rate can be told from this curve. The words say what to do."""


def bracket(lr: NDArray[np.floating[Any]], loss: NDArray[np.floating[Any]]) -> Bracket:
    """From the rates (rising) and losses of a range test. NoBracket where the loss never falls by a tenth."""
    rates, raw = np.asarray(lr, dtype=np.float64), np.asarray(loss, dtype=np.float64)
    bad = np.flatnonzero(~np.isfinite(raw))
    end = int(bad[0]) if len(bad) else len(raw)
    if end < 2 * WINDOW:
        raise NoBracket(f"only {end} steps had a finite loss; try a lower highest rate, or more steps")
    rates, curve = rates[:end], _smooth(raw[:end])
    lowest = int(curve.argmin())
    start = curve[:WINDOW].mean()
    if curve[lowest] > 0.9 * start:
        raise NoBracket("the loss never fell by a tenth at any rate; something else keeps this net from learning")
    climbed = np.flatnonzero(curve[lowest:] > 0.5 * (curve[lowest] + start))
    high = float(rates[lowest + climbed[0]] if len(climbed) else rates[-1])
    after = np.flatnonzero(curve[lowest:] > DIVERGED * max(curve[lowest], 0.5 * start))
    if len(after):
        rates, curve = rates[: lowest + after[0]], curve[: lowest + after[0]]
    bottom = float(rates[lowest])
    low = max(min(_valley(rates, curve), bottom / 3), bottom / WIDEST)
    pick = bottom / GUESS
    if not low <= pick <= high:
        pick = float(np.sqrt(low * high))
    return Bracket(low, high, pick, rates, curve)


def _smooth(loss: Floats) -> Floats:
    padded = np.pad(loss, WINDOW // 2, mode="edge")
    return np.convolve(padded, np.full(WINDOW, 1 / WINDOW), mode="valid")


def _valley(lr: Floats, loss: Floats) -> float:
    """Half way along the longest stretch over which the loss falls (fastai's rule): its longest falling subsequence."""
    count = len(loss)
    length, start = np.ones(count, dtype=np.int64), np.arange(count)
    for place in range(1, count):
        above = np.flatnonzero(loss[:place] > loss[place])
        if len(above):
            best = above[length[above].argmax()]
            if length[best] + 1 > length[place]:
                length[place], start[place] = length[best] + 1, start[best]
    end = int(length.argmax())
    first = int(start[end])
    third = (end - first) / 3
    return float(lr[first + int(third) + int(third / 2)])


def round_rate(rate: float) -> float:
    """Round to two digits: a third means nothing in a learning rate."""
    return float(f"{rate:.1e}")
