"""Columns of numbers that grow: one entry per step."""

from __future__ import annotations

import mmap
from collections.abc import Sequence
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

FloatColumn: TypeAlias = NDArray[np.floating[Any]]

TYPES: dict[str, type[np.floating[Any]]] = {
    "loss": np.float64,
    "lr": np.float64,
    "accuracy": np.float32,
    "grad_norm": np.float32,
    "seconds": np.float64,
}


LARGEST = {"loss": 1e300, "lr": 1e300, "accuracy": 1e4, "grad_norm": 3e38, "seconds": 1e10}
"""Beyond it a number means nothing; accuracies are shares, or (of a custom loop) per cent."""


class Series:
    """Per-step numbers as numpy columns of one length; entry i belongs to step `first` + i.

    `loss`, `lr`, `seconds` (float64), `accuracy`, `grad_norm` (float32); NaN where a number was null or is missing. The
    columns are views: they stay valid until the next poll.
    """

    def __init__(self) -> None:
        self.first = 0
        self._length = 0
        self._room = 0
        self._columns: dict[str, FloatColumn] = {name: np.empty(0, kind) for name, kind in TYPES.items()}

    def __len__(self) -> int:
        return self._length

    @property
    def end(self) -> int:
        """One past the last step: the number of steps done."""
        return self.first + self._length

    @property
    def loss(self) -> FloatColumn:
        return self._columns["loss"][: self._length]

    @property
    def lr(self) -> FloatColumn:
        return self._columns["lr"][: self._length]

    @property
    def accuracy(self) -> FloatColumn:
        return self._columns["accuracy"][: self._length]

    @property
    def grad_norm(self) -> FloatColumn:
        return self._columns["grad_norm"][: self._length]

    @property
    def seconds(self) -> FloatColumn:
        return self._columns["seconds"][: self._length]

    @property
    def step(self) -> NDArray[np.int64]:
        """The step of each entry."""
        return np.arange(self.first, self.end, dtype=np.int64)

    def column(self, name: str) -> FloatColumn:
        """Return the column of that name; KeyError for another."""
        return self._columns[name][: self._length]

    def append(self, length: int, columns: dict[str, Sequence[float | None]]) -> None:
        """Append `length` steps. Lists may be shorter (the rest is NaN) or longer (the rest is left out)."""
        self._grow(self._length + length)
        start, end = self._length, self._length + length
        for name, column in self._columns.items():
            values = columns.get(name, ())
            if len(values) > length:
                values = values[:length]
            with np.errstate(over="ignore"):
                column[start : start + len(values)] = values  # numpy writes None as NaN
            if len(values) < length:
                column[start + len(values) : end] = np.nan
            part = column[start:end]
            part[~(np.abs(part) <= LARGEST[name])] = np.nan  # a loss of 1e308 is a damaged log's
        self._length = end

    def skip_to(self, step: int) -> None:
        """Fill with NaN up to `step` (a gap in the log), or begin there when nothing is here yet."""
        if not self._length:
            self.first = step
        elif step > self.end:
            self.append(step - self.end, {})

    def cut(self, step: int) -> None:
        """Forgets `step` and all after it."""
        self._length = max(0, min(self._length, step - self.first))

    def _grow(self, length: int) -> None:
        if length <= self._room:
            return
        self._room = max(length, self._room * 2, 1024)
        for name, column in self._columns.items():
            grown = _room_for(self._room, column.dtype)
            grown[: self._length] = column[: self._length]
            self._columns[name] = grown


def _room_for(length: int, kind: np.dtype[Any]) -> FloatColumn:
    """Allocate a column in anonymous memory of its own.

    Pages that were never written take no memory, and all of it is given back when the next one takes its place. (From
    the heap, both were kept by the process: 10 MB at a million steps.)
    """
    return np.frombuffer(mmap.mmap(-1, length * kind.itemsize), kind)
