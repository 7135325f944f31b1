"""Passes before each of the first updates: gradients of several batches are added up before one.

Nothing is read back from the device before `accumulated`.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from contextlib import AbstractContextManager

import torch
from torch import Tensor

from cvtui.engine.observe.stale_gradients import on_gradient
from cvtui.engine.observe.statistics import norm

UPDATES = 2
"""First updates that are followed."""
LEAST = 1e-3
"""Of a gradient that lay there already, beside the new one: less is as good as zeroed."""


class UpdatePasses:
    """Counts forward passes, and gradients that pile up in the first of `parameters`.

    watching: asked at each arrival. within_memory: leaves out what there is no memory for.
    """

    def __init__(
        self,
        parameters: Sequence[Tensor],
        watching: Callable[[], bool],
        within_memory: Callable[[], AbstractContextManager[None]],
    ) -> None:
        self._watching, self._within_memory = watching, within_memory
        self._forwards = 0
        self._piled: list[Tensor] = []
        self._updates: list[tuple[int, list[Tensor]]] = []
        self._key = id(parameters[0]) if parameters else 0
        self.handles = [on_gradient(one, self._hook(one)) for one in parameters[:1]]

    @property
    def known(self) -> bool:
        """True once all updates that are followed were made."""
        return len(self._updates) >= UPDATES

    def forward(self) -> None:
        self._forwards += 1

    def _hook(self, parameter: Tensor) -> Callable[[Tensor], None]:
        def arrives(gradient: Tensor) -> None:
            """Note how much of a gradient is there already when the next one comes."""
            left = parameter.grad
            if left is None or left.is_sparse or gradient.is_sparse or not self._watching():
                return
            with torch.no_grad(), self._within_memory():
                self._piled.append(norm(left.detach()) / (norm(gradient.detach()) + 1e-30))

        return arrives

    def before_update(self, held: Collection[int]) -> None:
        """Take the passes before an update of the parameters `held` (by id)."""
        if self._key in held:
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
