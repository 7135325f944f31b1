"""Updates that would destroy the weights are left out: where a loss or a gradient is NaN or infinite.

Healthy steps keep every bit. On the CPU the loss and the gradients' norm, which are there anyway, are looked at before
the update. On a GPU nothing is read back: a flag on the device tells PyTorch's fused optimisers to do nothing,
as GradScaler does (`found_inf`); what happened is seen when the log is flushed.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from cvtui.recipe.choices.on_nan import OnNanChoice
from cvtui.recipe.choices.spec import Chosen

if TYPE_CHECKING:
    from cvtui.engine.observe.recorder import Journal


class Rule(NamedTuple):
    """What the recipe's `on_nan` asks."""

    guarded: bool
    """Bad updates are left out."""
    patience: int
    """So many bad steps in a row end the run; 0: none do."""


def rule_of(choice: Chosen[OnNanChoice]) -> Rule:
    """`stop`, `stop(5)`, `skip(steps=100)`, `continue`."""
    return Rule(choice.spec.guarded, int(choice.values.get("steps", 0)))


class Guard:
    """Stands between the gradients of a step and its update.

        guard.expect(loss)
        optimizer.step()      # does nothing where the loss or a gradient is not finite

    It takes the gradients' norm from the journal, so the journal must be there first.
    """

    def __init__(self, model: nn.Module, optimizer: Optimizer, journal: Journal) -> None:
        self.optimizer = optimizer
        self.journal = journal
        device = next(model.parameters()).device
        self._on_cpu = device.type == "cpu"
        self._loss: Tensor | None = None
        self._one = torch.ones((), device=device)
        self._flag = torch.zeros((), device=device)
        # Running means take up what the forward pass saw, so a bad batch would spoil them without any update.
        self._running = [tensor for tensor in model.buffers() if tensor.is_floating_point()]
        self._kept = [tensor.clone() for tensor in self._running]
        self._handle = optimizer.register_step_pre_hook(self._look)

    def close(self) -> None:
        self._handle.remove()
        self.optimizer.found_inf = None  # type: ignore[attr-defined]

    def expect(self, loss: Tensor) -> None:
        """The loss whose gradients the next update is made of."""
        self._loss = loss.detach()

    @torch.no_grad()
    def _look(self, optimizer: Optimizer, *_: Any) -> None:
        loss, self._loss = self._loss, None
        numbers = [number for number in (self.journal.norm, loss) if number is not None]
        if not self._on_cpu:
            self._look_on_device(numbers)
            return
        bad = not math.isfinite(sum([number.item() for number in numbers]))
        optimizer.found_inf = self._one if bad else None  # type: ignore[attr-defined]
        if self._running:
            source, target = (self._kept, self._running) if bad else (self._running, self._kept)
            torch._foreach_copy_(target, source)

    def _look_on_device(self, numbers: list[Tensor]) -> None:
        """Sets the flag to 1 where one of the numbers is not finite, and waits for nothing."""
        self._flag.zero_()
        if numbers:
            copy = torch.stack([number.float() for number in numbers])
            torch._amp_foreach_non_finite_check_and_unscale_([copy], self._flag, self._one)
        self.optimizer.found_inf = self._flag  # type: ignore[attr-defined]
        for running, kept in zip(self._running, self._kept, strict=True):
            good = torch.where(self._flag > 0, kept, running)
            running.copy_(good)
            kept.copy_(good)
