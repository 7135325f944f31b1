"""Hooks around the updates of optimizers, of sampled steps alone."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from torch.optim import Optimizer

TABLES = ("_optimizer_step_pre_hooks", "_optimizer_step_post_hooks")
"""Where PyTorch keeps them, by their numbers."""


class StepHooks:
    """Hooks before and after each step of some optimizers, put on and taken off together.

    They are registered once by PyTorch's own functions, and come and go as entries of its tables: a tenth of the time.
    """

    def __init__(
        self, optimizers: Sequence[Optimizer], before: Callable[..., None], after: Callable[..., None]
    ) -> None:
        self._optimizers, self._hooks = optimizers, (before, after)
        self._numbers: list[tuple[Optimizer, str, int, Callable[..., None]]] | None = None

    def put_on(self) -> None:
        """Put all hooks on."""
        if self._numbers is not None:
            for optimizer, table, number, hook in self._numbers:
                vars(optimizer)[table][number] = hook
            return
        self._numbers = []
        for optimizer in self._optimizers:
            handles: list[Any] = [
                optimizer.register_step_pre_hook(self._hooks[0]),
                optimizer.register_step_post_hook(self._hooks[1]),
            ]
            for table, handle, hook in zip(TABLES, handles, self._hooks, strict=True):
                self._numbers.append((optimizer, table, handle.id, hook))

    def remove(self) -> None:
        """Take them off."""
        for optimizer, table, number, _ in self._numbers or ():
            vars(optimizer)[table].pop(number, None)
