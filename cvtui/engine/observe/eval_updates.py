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

    A model that stays in evaluation mode in the steps that are told is another matter: `eval_step`.
    """

    def __init__(self, model: nn.Module, optimizers: Sequence[Optimizer], calls: Calls | None = None) -> None:
        self.model, self.optimizers = model, optimizers
        self.left = False
        """It had to leave."""
        self.calls = calls
        """What its hook takes is charged there."""
        self._evaluating = False
        self._from = 0
        """Steps told before the first pass of those in evaluation mode that came last."""
        self.eval_step: int | None = None
        """The first step that was told in evaluation mode."""
        self._trained = False
        """A step was told in training mode."""
        self._count = 0
        self._number = 0
        """Steps told so far, as the passes tell: of some no more is known."""
        self._found: list[int] = []
        self._handles: list[Any] = []

    def forward(self, training: bool, number: int) -> None:
        """Take the mode of a forward pass with gradients; updates are watched from the first one in evaluation mode.

        number: steps told so far.
        """
        if number > self._number:
            self.step(number)  # told behind the pass before, and only noted
        self._number = number
        if not (training or self._evaluating):
            self._from = number
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
        """Take steps that are told, by their number so far."""
        if self._count and not self._evaluating and not self._found:
            self._found = [self._number, self._count]
            self.close()
        if self._evaluating and self.eval_step is None:
            self.eval_step = self._from
        self._count, self._number = 0, number
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
