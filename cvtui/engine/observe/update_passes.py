"""Passes before each of the first updates: gradients of several batches are added up before one.

Nothing is read back from the device before `accumulated`.
"""

from __future__ import annotations

import torch
from torch import Tensor

from cvtui.engine.observe.statistics import norm

UPDATES = 2
"""First updates that are followed."""
LEAST = 1e-3
"""Of a gradient that lay there already, beside the new one: less is as good as zeroed."""


class UpdatePasses:
    """Counts forward passes and gradients that pile up in one parameter; key: its id."""

    def __init__(self, key: int) -> None:
        self.key = key
        self._forwards = 0
        self._piled: list[Tensor] = []
        self._updates: list[tuple[int, list[Tensor]]] = []

    @property
    def known(self) -> bool:
        """True once all updates that are followed were made."""
        return len(self._updates) >= UPDATES

    def forward(self) -> None:
        self._forwards += 1

    def arrives(self, left: Tensor | None, gradient: Tensor) -> None:
        """Note how much of a gradient is there already when the next one comes."""
        if left is not None and not left.is_sparse and not gradient.is_sparse:
            with torch.no_grad():
                self._piled.append(norm(left.detach()) / (norm(gradient.detach()) + 1e-30))

    def update(self) -> None:
        if not self.known:
            self._updates.append((self._forwards, self._piled))
        self._forwards, self._piled = 0, []

    def accumulated(self) -> list[int]:
        """Return the backward passes added up before each update; 1 where they aren't one of each forward pass."""
        counts = []
        for forwards, piled in self._updates:
            passes = 1 + int((torch.stack(piled) > LEAST).sum()) if piled else 1
            counts.append(passes if passes == forwards else 1)
        return counts
