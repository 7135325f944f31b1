"""Layer samples of a run as arrays, for the rules. Bounded, however long the run is."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from cvtui.runlog.events import LayersSampled
from cvtui.runlog.kinds import ACTIVATIONS, WEIGHTED

QUANTITIES = (
    "update_ratio", "grad_norm", "weight_norm", "grad_zeros", "zeros", "dead", "saturated", "pinned", "std", "mean",
    "min",
)  # fmt: skip
ROOM = 384
KEPT = 128
"""The first samples are kept; of the later ones every other goes when the room is used up."""
MOST_LAYERS = 256
READ = frozenset((*WEIGHTED, *ACTIVATIONS))
"""Kinds of layers that the rules ask for. (A norm that begins at 0, say, is none of a signal that dies.)"""

Array = NDArray[np.float64]
T = TypeVar("T")


class LayerSamples:
    """Statistics of each layer over the samples of a run.

    `names` and `kinds` are those of the first sample's layers that rules read; `of(quantity)` is samples x layers, NaN
    where unknown.
    """

    def __init__(self) -> None:
        self.names: list[str] = []
        self.kinds: list[str] = []
        self._places: dict[str, int] = {}
        self._values: Array = np.empty((ROOM, 0, len(QUANTITIES)))
        self._steps: Array = np.zeros(ROOM)
        self._answers: Array = np.full(ROOM, np.nan)
        self._count = 0
        self._memo: dict[str, Any] = {}

    def __len__(self) -> int:
        return self._count

    @property
    def steps(self) -> Array:
        return self._steps[: self._count]

    @property
    def answers(self) -> Array:
        """Entropy of the answered classes; NaN where unknown."""
        return self._answers[: self._count]

    def of(self, quantity: str) -> Array:
        return self._values[: self._count, :, QUANTITIES.index(quantity)]

    def once(self, name: str, make: Callable[[], T]) -> T:
        """Return what `make` works out of all samples: under this name, once until the next one.

        (Most looks of a run bring none, and asked for anew what rules work out was half a percent of it.)
        """
        if name not in self._memo:
            self._memo[name] = make()
        found: T = self._memo[name]
        return found

    def weighted(self) -> list[int]:
        """Return the indices of the layers that have weights."""
        kinds, names = self.kinds, self.names
        return self.once(
            "weighted",
            lambda: [place for place, kind in enumerate(kinds) if kind in WEIGHTED and "#" not in names[place]],
        )

    def behind(self, place: int) -> int | None:
        """Return the index of the layer with weights before this one; None without."""
        return next((i for i in range(place - 1, -1, -1) if self.kinds[i] in WEIGHTED), None)

    def take(self, sample: LayersSampled) -> None:
        self._memo.clear()
        if not self.names:
            rows = [row for row in sample.layers if row.kind in READ][:MOST_LAYERS]
            self.names, self.kinds = [row.name for row in rows], [row.kind for row in rows]
            self._places = {name: place for place, name in enumerate(self.names)}
            self._values = np.full((ROOM, len(rows), len(QUANTITIES)), np.nan)
        if self._count == ROOM:
            self._thin()
        count = self._count
        self._values[count] = np.nan
        for row in sample.layers:
            place = self._places.get(row.name)
            if place is not None:
                self._values[count, place] = [
                    np.nan if (number := getattr(row, name)) is None else number for name in QUANTITIES
                ]
        self._steps[count] = sample.step
        self._answers[count] = np.nan if sample.answers is None else sample.answers
        self._count += 1

    def _thin(self) -> None:
        kept = np.r_[0:KEPT, KEPT : self._count : 2]
        for array in (self._values, self._steps, self._answers):
            array[: len(kept)] = array[kept]
        self._count = len(kept)
