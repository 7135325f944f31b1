"""Smallest and largest value of any stretch of a long series, at a cost that does not grow with the series.

Level 0 is the series itself; an entry of level k stands for FANOUT^k samples. A stretch is put together from few
entries of each level, as in a segment tree, for all columns of a plot at once. Only whole blocks are kept, so that a
series that grows adds entries and changes none.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from cvtui.draw.scales import Array, Floats

FANOUT = 16
_FEW = 128
"""So many entries a column are folded as they are; more are not looked at but through the level above."""
Indices = NDArray[np.int64]


class Runs:
    """Stretches of samples of which something is true, as half-open index ranges in order; grows at the end."""

    def __init__(self) -> None:
        self._starts = np.empty(0, np.int64)
        self._ends = np.empty(0, np.int64)
        self._count = 0
        self._length = 0

    def __len__(self) -> int:
        return self._count

    @property
    def starts(self) -> Indices:
        return self._starts[: self._count]

    @property
    def ends(self) -> Indices:
        return self._ends[: self._count]

    def extend(self, mask: NDArray[np.bool_]) -> None:
        """Append the samples that follow."""
        before, self._length = self._length, self._length + len(mask)
        open_ = self._count > 0 and self._ends[self._count - 1] == before
        if not mask.any():
            return
        edges = np.flatnonzero(np.diff(mask.astype(np.int8), prepend=0, append=0)) + before
        starts, ends = edges[::2], edges[1::2]
        if open_ and starts[0] == before:  # the last run goes on
            self._ends[self._count - 1] = ends[0]
            starts, ends = starts[1:], ends[1:]
        needed = self._count + len(starts)
        if needed > len(self._starts):
            room = max(needed, 2 * len(self._starts), 16)
            self._starts, self._ends = np.resize(self._starts, room), np.resize(self._ends, room)
        self._starts[self._count : needed], self._ends[self._count : needed] = starts, ends
        self._count = needed

    def touched(self, start: Indices, end: Indices) -> NDArray[np.bool_]:
        """Return for each half-open range whether a run reaches into it."""
        if not self._count:
            return np.zeros(len(start), bool)
        first = np.searchsorted(self.ends, start, "right")
        return (first < self._count) & (self._starts[np.minimum(first, self._count - 1)] < end) & (start < end)


class Pyramid:
    """Minima and maxima of blocks of a series y. With `positive`, values of 0 and below count as not there.

    `bad` holds the runs that have no place on the axis (not finite, or not positive), `lost` those that are not finite,
    `refused` how many finite values a log axis leaves out.
    """

    def __init__(self, positive: bool = False) -> None:
        self.positive = positive
        self.y: Array = np.empty(0)
        self.lost = Runs()
        self.bad = Runs() if positive else self.lost
        self.refused = 0
        self._lows: list[Floats] = []
        self._highs: list[Floats] = []
        self._sizes: list[int] = []

    def __len__(self) -> int:
        return len(self.y)

    def extend(self, y: Array) -> None:
        """`y` is the whole series, the first len(self) values as they were before. Cost: that of the new ones."""
        before, self.y = len(self.y), y
        if len(y) <= before:
            return
        new = y[before:]
        lost = ~np.isfinite(new)
        self.lost.extend(lost)
        if self.positive:
            with np.errstate(invalid="ignore"):
                low = ~(new > 0)
            self.bad.extend(low | lost)
            self.refused += int(np.count_nonzero(low & ~lost))
        start, lows, highs = self._first_level(y)
        level = 0
        while len(lows):
            self._append(level, start, lows, highs)
            level += 1
            have = self._sizes[level] if level < len(self._sizes) else 0
            blocks = self._sizes[level - 1] // FANOUT
            part = slice(have * FANOUT, blocks * FANOUT)
            lows = _blocks(self._lows[level - 1][part], np.minimum)
            highs = _blocks(self._highs[level - 1][part], np.maximum)
            start = have

    def _first_level(self, y: Array) -> tuple[int, Floats, Floats]:
        have = self._sizes[0] if self._sizes else 0
        part = y[have * FANOUT : len(y) // FANOUT * FANOUT]
        good = self.good(part)
        if good.all():
            return have, _blocks(part, np.minimum), _blocks(part, np.maximum)
        lows = _blocks(np.where(good, part, np.inf), np.minimum)
        return have, lows, _blocks(np.where(good, part, -np.inf), np.maximum)

    def _append(self, level: int, start: int, lows: Floats, highs: Floats) -> None:
        if level == len(self._sizes):
            self._lows.append(np.empty(0))
            self._highs.append(np.empty(0))
            self._sizes.append(0)
        end = start + len(lows)
        if end > len(self._lows[level]):
            room = max(end, 2 * len(self._lows[level]), 64)
            self._lows[level] = np.resize(self._lows[level], room)
            self._highs[level] = np.resize(self._highs[level], room)
        self._lows[level][start:end], self._highs[level][start:end] = lows, highs
        self._sizes[level] = end

    def good(self, values: Array) -> NDArray[np.bool_]:
        """Which values have a place on the axis."""
        if not self.positive:
            return np.isfinite(values)
        with np.errstate(invalid="ignore"):
            return np.isfinite(values) & (values > 0)

    def reach(self, start: Indices, end: Indices) -> tuple[Floats, Floats]:
        """Smallest and largest good value of y[start:end], for each pair; +inf and −inf where there is none.

        The pairs are in order and don't overlap. Few entries are folded in one pass over a level; the ragged ends on
        the way up to it, at most FANOUT − 1 entries each, are gathered for all pairs at once.
        """
        start, end = np.asarray(start, np.int64), np.asarray(end, np.int64)
        low, high = np.full(len(start), np.inf), np.full(len(start), -np.inf)
        enough = _FEW * len(start) + 2048
        level = 0
        while len(start) and end[-1] - start[0] > enough and level < len(self._sizes):
            above, below = -(-start // FANOUT), end // FANOUT
            deeper = above <= below
            self._gather(level, start, np.where(deeper, above * FANOUT, end), low, high)
            self._gather(level, below * FANOUT, np.where(deeper, end, 0), low, high)
            start, end = above, np.maximum(above, below)
            level += 1
        self._fold(level, start, end, low, high)
        return low, high

    def _entries(self, level: int, part: slice) -> tuple[Array, Array]:
        """Lows and highs of a part of a level; infinities where there is nothing good."""
        if level:
            return self._lows[level - 1][part], self._highs[level - 1][part]
        values = self.y[part]
        if not len(self.bad):
            return values, values
        good = self.good(values)
        return np.where(good, values, np.inf), np.where(good, values, -np.inf)

    def _fold(self, level: int, start: Indices, end: Indices, low: Floats, high: Floats) -> None:
        """All entries from start to end, in place. `reduceat` folds the stretches between two pairs too: no matter."""
        some = np.flatnonzero(end > start)
        if not len(some):
            return
        first, last = int(start[some[0]]), int(end[some[-1]])
        lows, highs = self._entries(level, slice(first, last))
        cuts = np.stack([start[some], end[some]], axis=1).ravel()[:-1] - first
        cuts_from = np.flatnonzero(
            np.diff(cuts, prepend=-1) > 0
        )  # where pairs touch, the end of one is the next's start
        kept = cuts[cuts_from]
        place = np.searchsorted(kept, start[some] - first)
        low[some] = np.minimum(low[some], np.minimum.reduceat(lows, kept)[place])
        high[some] = np.maximum(high[some], np.maximum.reduceat(highs, kept)[place])

    def _gather(self, level: int, start: Indices, end: Indices, low: Floats, high: Floats) -> None:
        """Less than FANOUT entries from start to end, in place."""
        longest = int((end - start).max(initial=0))
        if longest <= 0:
            return
        index = start[:, None] + np.arange(longest)
        there = index < end[:, None]
        index[~there] = 0
        if level:
            lows, highs = self._lows[level - 1][index], self._highs[level - 1][index]
        else:
            lows = highs = self.y[index]
            if len(self.bad):
                there &= self.good(lows)
        np.minimum(low, np.where(there, lows, np.inf).min(axis=1), out=low)
        np.maximum(high, np.where(there, highs, -np.inf).max(axis=1), out=high)


def _blocks(values: Array, fold: np.ufunc) -> Floats:
    """Fold each FANOUT values; a column at a time, which numpy does far faster than many short rows."""
    values = values.astype(np.float64, copy=False)[: len(values) // FANOUT * FANOUT]
    if not len(values):
        return np.empty(0)
    folded = values[::FANOUT].copy()
    for offset in range(1, FANOUT):
        fold(folded, values[offset::FANOUT], out=folded)
    return folded
