"""Hooks that PyTorch calls itself, around layers and updates of sampled steps alone."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from torch import nn
from torch.optim import Optimizer


class PlainHooks:
    """Hooks that PyTorch calls itself, of modules that run plainly and of optimizers' steps; they come and go together.

    They are registered once by PyTorch's own functions, and come and go as entries of its tables: a tenth of the time.
    """

    def __init__(self) -> None:
        self._hooks: list[tuple[nn.Module | Optimizer, str, int, Any]] = []

    def before(self, module: nn.Module, hook: Any) -> None:
        """Add a hook before each forward pass of the module."""
        self._add(module, "_forward_pre_hooks", module.register_forward_pre_hook(hook), hook)

    def after(self, module: nn.Module, hook: Any) -> None:
        """Add a hook after each."""
        self._add(module, "_forward_hooks", module.register_forward_hook(hook), hook)

    @classmethod
    def around_steps(cls, optimizers: Sequence[Optimizer], before: Any, after: Any) -> PlainHooks:
        """Make hooks before and after each step of the optimizers."""
        made = cls()
        for one in optimizers:
            made._add(one, "_optimizer_step_pre_hooks", one.register_step_pre_hook(before), before)
            made._add(one, "_optimizer_step_post_hooks", one.register_step_post_hook(after), after)
        return made

    def _add(self, owner: nn.Module | Optimizer, table: str, handle: Any, hook: Any) -> None:
        handle.remove()
        self._hooks.append((owner, table, handle.id, hook))

    def put_on(self) -> None:
        """Put them on."""
        for owner, table, number, hook in self._hooks:
            vars(owner)[table][number] = hook

    def remove(self) -> None:
        """Take them off."""
        for owner, table, number, _ in self._hooks:
            vars(owner)[table].pop(number, None)
