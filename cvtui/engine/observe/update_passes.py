"""Passes before each of the first updates: gradients of several batches are added up before one, or deleted.

Nothing is read back from the device before `accumulated`.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from contextlib import AbstractContextManager
from typing import NamedTuple

import torch
from torch import Tensor

from cvtui.engine.observe.stale_gradients import on_gradient
from cvtui.engine.observe.statistics import norm

UPDATES = 2
"""First updates that are followed."""
MANY = 8
"""Passes before one step, from which on they are those of several batches."""
LEAST = 1e-3
"""Of a gradient that lay there already, beside the new one: less is as good as zeroed."""


class Passes(NamedTuple):
    """What came before one update."""

    forwards: int
    backwards: int
    """Gradients that arrived at the first parameter."""
    steps: int
    """Steps that were told, this one included."""
    piled: list[Tensor]
    """What was there already at an arrival, as a share of what came."""
    kept: Tensor | None
    """Size of the gradient that the update finds; None: no gradient is there."""
    came: Tensor | None
    """Size of the last one that arrived."""
    asked: bool
    """The optimizer made the passes itself, by a closure."""


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
        self._backwards = 0
        self._steps = 0
        self._piled: list[Tensor] = []
        self._came: Tensor | None = None
        self._updates: list[Passes] = []
        self._first = parameters[0] if parameters else None
        self.handles = on_gradient(self._first, self._hook(self._first)) if self._first is not None else []

    @property
    def known(self) -> bool:
        """True once all updates that are followed were made."""
        return len(self._updates) >= UPDATES

    def forward(self) -> None:
        self._forwards += 1

    def _hook(self, parameter: Tensor) -> Callable[[Tensor], Callable[[], None] | None]:
        def comes(gradient: Tensor) -> Callable[[], None] | None:
            """Note how much of a gradient is there already when the next one comes."""
            left = parameter.grad
            if gradient.is_sparse or not self._watching():
                return None
            size = share = None
            with torch.no_grad(), self._within_memory():
                size = norm(gradient.detach())
                if left is not None and not left.is_sparse:
                    share = norm(left.detach()) / (size + 1e-30)
            return lambda: self._take(size, share)

        return comes

    def _take(self, size: Tensor | None, share: Tensor | None) -> None:
        self._backwards += 1
        self._came = size if size is not None else self._came
        if share is not None:
            self._piled.append(share)

    def before_update(self, held: Collection[int], step: int, asked: bool = False) -> None:
        """Take the passes before an update of the parameters `held` (by id), in the step of this number.

        asked: it made them itself, by a closure; then this is called behind it.
        """
        first = self._first
        if first is None or id(first) not in held:
            return
        if not self.known:
            kept = None
            if first.grad is not None and not first.grad.is_sparse:
                with torch.no_grad(), self._within_memory():
                    kept = norm(first.grad.detach())
            steps = step + 1 - self._steps
            self._updates.append(Passes(self._forwards, self._backwards, steps, self._piled, kept, self._came, asked))
        self._forwards, self._backwards, self._steps, self._piled, self._came = 0, 0, step + 1, [], None

    def accumulated(self) -> list[int]:
        """Return the backward passes added up before each update; 1 where they aren't one of each forward pass."""
        counts = []
        for one in self._updates:
            passes = 1 + _piled_up(one)
            counts.append(passes if passes == one.forwards else 1)
        return counts

    def thrown_away(self) -> list[int]:
        """Return the passes before each update whose gradients were deleted; 0 where it isn't one pass of each a step.

        Where only updates are told as steps, MANY passes are those of batches: fewer may be SAM's or an attack's. What
        a closure gives its optimizer, that one has used (L-BFGS).
        """
        counts = []
        for one in self._updates:
            plain = one.forwards == one.backwards and (
                one.steps == one.forwards or one.steps == 1 < MANY <= one.forwards
            )
            counts.append(one.backwards - 1 - _piled_up(one) if plain and one.kept is not None and not one.asked else 0)
        return counts

    def steps_together(self) -> list[int]:
        """Return the steps of each update that one backward pass went through; 0 where a step has a pass of its own."""
        plain = [one.backwards == 1 and one.forwards >= one.steps - 1 for one in self._updates]
        return [one.steps if simple else 0 for one, simple in zip(self._updates, plain, strict=True)]

    def emptied(self) -> bool:
        """Return True if gradients came before each update, and none was there when it began."""
        return bool(self._updates) and all(
            one.came is not None and one.came > 0 and (one.kept is None or one.kept == 0) for one in self._updates
        )


def _piled_up(one: Passes) -> int:
    return int((torch.stack(one.piled) > LEAST).sum()) if one.piled else 0
