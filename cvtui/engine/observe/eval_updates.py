"""Updates in evaluation mode between two training steps: a validation that trains.

Nothing is read back from the device.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from torch import nn
from torch.optim import Optimizer

from cvtui.engine.observe.charges import Calls
from cvtui.engine.observe.ends_no_training import ends_no_training
from cvtui.engine.optim.groups import held_by


class EvalUpdates:
    """Counts updates behind passes in evaluation mode, of which no step is told, until training mode is back.

    (A model that stays in evaluation mode in the steps that are told is another matter: F46's `eval_step`.)
    """

    def __init__(self, model: nn.Module, optimizers: Sequence[Optimizer], calls: Calls | None = None) -> None:
        self.model, self.optimizers = model, optimizers
        self.left = False
        """It had to leave."""
        self.calls = calls
        """What its hook takes is charged there."""
        self._evaluating = False
        self._trained = False
        """A step was told in training mode."""
        self._count = 0
        self._found: list[int] = []
        self._handles: list[Any] = []

    def forward(self, training: bool) -> None:
        """Take the mode of a forward pass with gradients; updates are watched from the first one in evaluation mode."""
        self._evaluating = not training
        if training or not self._trained or self._handles or self._found or self.left:
            return
        self._handles = [one.register_step_pre_hook(self._before_update) for one in self.optimizers]

    @ends_no_training
    def _before_update(self, optimizer: Optimizer, *_call: Any) -> None:
        held = held_by(optimizer)  # (another net's optimizer may step behind a pass through this one)
        if self._evaluating and any(id(p) in held and p.grad is not None for p in self.model.parameters()):
            self._count += 1

    def step(self, number: int) -> None:
        """Take a step that is told: the `number`-th, from 1 on."""
        if self._count and not self._evaluating and not self._found:
            self._found = [number - 1, self._count]
            self.close()
        self._count = 0
        self._trained = self._trained or not self._evaluating

    def facts(self) -> dict[str, Any]:
        """Return the field about it; {} where there was none."""
        return {"updates_in_eval": self._found} if self._found else {}

    def leave(self, _error: Exception) -> None:
        """Look no more: it ends no training."""
        self.left = True
        self.close()

    def close(self) -> None:
        while self._handles:
            self._handles.pop().remove()
