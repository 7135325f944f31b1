"""Curves of a custom loop's own scalars, as a reader holds them: bounded."""

from __future__ import annotations

from bisect import bisect_right

import numpy as np
from numpy.typing import NDArray

from cvtui.runlog.own_scalars import LONGEST_NAME, MOST_NAMES, ScalarRow, Scalars, is_rising

MOST_POINTS = 20_000
"""Points of one name that a reader holds; beyond, every second one of the older half goes."""


class ScalarCurve:
    """Values of one name by step: all of them up to MOST_POINTS, of more the newest half and some of the rest."""

    def __init__(self) -> None:
        self._steps: list[int] = []
        self._values: list[float] = []
        self.count = 0
        """Values logged so far, also those that are held no more."""

    def add(self, row: ScalarRow) -> None:
        """Append a row's values; those of steps that go back replace what stood there (a loop that began anew)."""
        if not row.steps or len(row.steps) != len(row.values):
            return
        if self._steps and row.steps[0] < self._steps[-1]:
            self.cut(row.steps[0] - 1)
        self._steps += row.steps
        self._values += [float("nan") if value is None else value for value in row.values]
        self.count += len(row.steps)
        while len(self._steps) > MOST_POINTS:
            half = len(self._steps) // 2
            for column in (self._steps, self._values):
                del column[1:half:2]

    def cut(self, step: int) -> None:
        """Forget what was logged after `step` steps."""
        keep = bisect_right(self._steps, step)
        self.count -= len(self._steps) - keep
        del self._steps[keep:], self._values[keep:]

    @property
    def steps(self) -> NDArray[np.float64]:
        return np.array(self._steps, dtype=np.float64)

    @property
    def values(self) -> NDArray[np.float64]:
        return np.array(self._values, dtype=np.float64)

    def at(self, step: int | None) -> float | None:
        """Return the last value at or before `step` (None: of all); None without one."""
        place = len(self._steps) if step is None else bisect_right(self._steps, step)
        return self._values[place - 1] if place else None


class ScalarTable:
    """Curves of a run's own scalars by name, in the order in which the names came."""

    def __init__(self) -> None:
        self.curves: dict[str, ScalarCurve] = {}

    def add(self, record: Scalars) -> None:
        for row in record.rows:
            if not is_rising(row.steps):
                continue  # a damaged log's
            name = row.name[:LONGEST_NAME]
            if name in self.curves or len(self.curves) < MOST_NAMES:
                self.curves.setdefault(name, ScalarCurve()).add(row)

    def cut(self, step: int) -> None:
        for curve in self.curves.values():
            curve.cut(step)

    @property
    def names(self) -> list[str]:
        return list(self.curves)
