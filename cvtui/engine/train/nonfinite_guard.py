"""Skip optimizer steps whose loss or gradient is NaN or Inf.

Healthy steps keep every bit. On the CPU the loss and the gradients' norm, which are there anyway, are looked at before
the update. On a GPU nothing is read back: a flag on the device tells PyTorch's fused optimizers to do nothing,
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
    from cvtui.engine.observe.gradient_norm import GradientNorm


class NonfiniteRule(NamedTuple):
    """What the recipe's `on_nan` asks."""

    guarded: bool
    """Bad updates are skipped."""
    patience: int
    """Bad steps in a row that end the run; 0: none do."""


def nonfinite_rule(choice: Chosen[OnNanChoice]) -> NonfiniteRule:
    """Read the rule of `stop`, `stop(5)`, `skip(steps=100)`, `continue`."""
    return NonfiniteRule(choice.spec.guarded, int(choice.values.get("steps", 0)))


class NonfiniteGuard:
    """Hook between the gradients of a step and its update.

        guard.expect(loss)
        optimizer.step()      # does nothing where the loss or a gradient is not finite

    It takes the gradients' norm from the recorder, so the recorder must be there first.
    """

    def __init__(self, model: nn.Module, optimizer: Optimizer, norm: GradientNorm) -> None:
        self.optimizer = optimizer
        self._norm = norm
        device = next(model.parameters()).device
        self._on_cpu = device.type == "cpu"
        self._loss: Tensor | None = None
        self._one = torch.ones((), device=device)
        self._flag = torch.zeros((), device=device)
        # Running means take up what the forward pass saw, so a bad batch would spoil them without any update.
        self._running = [tensor for tensor in model.buffers() if tensor.is_floating_point()]
        flat = torch.cat([tensor.flatten() for tensor in self._running]) if self._running else self._flag.clone()
        self._all_kept = flat
        """Of all running means at once: on a GPU four kernels put them back, whatever their number."""
        self._kept = self._parts(flat)
        self._handle = optimizer.register_step_pre_hook(self._look)

    def close(self) -> None:
        self._handle.remove()
        self.optimizer.found_inf = None  # type: ignore[attr-defined]

    def expect(self, loss: Tensor) -> None:
        """Take the loss whose gradients the next update is made of."""
        self._loss = loss.detach()

    @torch.no_grad()
    def _look(self, optimizer: Optimizer, *_: Any) -> None:
        loss, self._loss = self._loss, None
        numbers = [number for number in (self._norm.whole, loss) if number is not None]
        if not self._on_cpu:
            self._look_on_device(numbers)
            return
        bad = not math.isfinite(sum([number.item() for number in numbers]))
        optimizer.found_inf = self._one if bad else None  # type: ignore[attr-defined]
        if self._running:
            source, target = (self._kept, self._running) if bad else (self._running, self._kept)
            torch._foreach_copy_(target, source)

    def _look_on_device(self, numbers: list[Tensor]) -> None:
        """Set the flag to 1 where one of the numbers is not finite, and wait for nothing."""
        self._flag.zero_()
        if numbers:
            copy = torch.stack([number.float() for number in numbers])
            torch._amp_foreach_non_finite_check_and_unscale_([copy], self._flag, self._one)
        self.optimizer.found_inf = self._flag  # type: ignore[attr-defined]
        if self._running:
            now = torch.cat([tensor.flatten() for tensor in self._running])
            torch.where(self._flag > 0, self._all_kept, now, out=self._all_kept)
            torch._foreach_copy_(self._running, self._kept)

    def _parts(self, flat: Tensor) -> list[Tensor]:
        """Return views of the one tensor, one for each running mean."""
        parts = torch.split(flat, [tensor.numel() for tensor in self._running]) if self._running else ()
        return [part.view_as(tensor) for part, tensor in zip(parts, self._running, strict=True)]
