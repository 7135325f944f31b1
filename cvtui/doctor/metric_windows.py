"""The curves of a run in windows of ten steps: what the rules look at. Bounded, however long the run is."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

STEPS = 10
ROOM = 2048
KEPT = 256
"""The first windows stay as they are; later ones are joined in pairs when the room is used up."""
COLUMNS = ("end", "loss", "accuracy", "grad", "grad_low", "grad_high", "rate", "rate_high", "normed")

Array = NDArray[np.float64]


class MetricWindows:
    """Means of loss, accuracy, gradient norm and rate over windows of steps, at bounded size.

    `end` is one past a window's last step; means are over the finite values, beside the lowest and highest norm, the
    highest rate, and the share of the steps with a norm. NaN where nothing was finite.
    """

    def __init__(self) -> None:
        self._rows: Array = np.full((len(COLUMNS), ROOM), np.nan)
        self._count = 0
        self._held: list[Array] = []
        self._held_steps = 0

    def __len__(self) -> int:
        return self._count

    def __getattr__(self, name: str) -> Array:
        if name not in COLUMNS:
            raise AttributeError(name)
        return self._rows[COLUMNS.index(name), : self._count]

    def start(self, place: int) -> int:
        """Return the first step of a window."""
        return int(self._rows[0, place - 1]) if place else int(self._rows[0, 0]) - STEPS

    def last(self, place: int) -> int:
        """Return the last step of a window."""
        return int(self._rows[0, place]) - 1

    def take(self, step: int, values: Array) -> bool:
        """Add the steps up to `step` (one past the last). Return True when a window was completed.

        values: 4 x n (loss, accuracy, grad_norm, rate).
        """
        self._held.append(values)
        self._held_steps += values.shape[1]
        if self._held_steps < STEPS:
            return False
        joined = np.concatenate(self._held, axis=1)
        whole = joined.shape[1] // STEPS * STEPS
        first = step - joined.shape[1]
        self._held, self._held_steps = [joined[:, whole:]], joined.shape[1] - whole
        for start in range(0, whole, STEPS * KEPT):
            piece = joined[:, start : min(start + STEPS * KEPT, whole)].reshape(4, -1, STEPS)
            self._append(first + start, piece)
        return True

    def _append(self, first: int, piece: Array) -> None:
        count = piece.shape[1]
        if self._count + count > ROOM:
            self._join()
        means = _mean(piece)
        place = slice(self._count, self._count + count)
        rows = self._rows
        rows[0, place] = first + STEPS * np.arange(1, count + 1)
        rows[1, place], rows[2, place], rows[3, place], rows[6, place] = means
        rows[4, place] = np.where(np.isfinite(piece[2]), piece[2], np.inf).min(1)
        rows[5, place] = np.where(np.isfinite(piece[2]), piece[2], -np.inf).max(1)
        rows[7, place] = np.where(np.isfinite(piece[3]), piece[3], -np.inf).max(1)
        rows[8, place] = np.isfinite(piece[2]).mean(1)
        self._count += count

    def _join(self) -> None:
        """Halves the windows after the first ones."""
        last = KEPT + (self._count - KEPT) // 2 * 2
        rest = self._rows[:, KEPT:last].reshape(len(COLUMNS), -1, 2)
        weights = np.diff(self._rows[0, KEPT - 1 : last]).reshape(-1, 2) * np.isfinite(rest)
        sums = (np.nan_to_num(rest, posinf=0.0, neginf=0.0) * weights).sum(2)
        with np.errstate(invalid="ignore", divide="ignore"):
            joined = sums / weights.sum(2)
        joined[0] = rest[0, :, 1]
        joined[4] = rest[4].min(1)
        joined[5], joined[7] = rest[5].max(1), rest[7].max(1)
        odd = self._rows[:, last : self._count].copy()
        count = KEPT + joined.shape[1]
        self._rows[:, KEPT:count] = joined
        self._rows[:, count : count + odd.shape[1]] = odd
        self._count = count + odd.shape[1]
        self._rows[:, self._count :] = np.nan


def _mean(piece: Array) -> Array:
    finite = np.isfinite(piece)
    counts = finite.sum(2)
    sums = np.where(finite, piece, 0.0).sum(2)
    with np.errstate(invalid="ignore"):
        return np.where(counts > 0, sums / np.maximum(counts, 1), np.nan)
