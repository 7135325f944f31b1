"""Gradients that are too long are shortened to a given 2-norm, all by one factor, so that they point where they did."""

from __future__ import annotations

from typing import Any

import torch
from torch.optim import Optimizer
from torch.utils.hooks import RemovableHandle

from cvtui.engine.observe.recorder import Journal


class Clip:
    """Scales what the next update is made of: dx *= min(1, largest / ‖dx‖) (Pascanu 2013; torch's clip_grad_norm_).

        clip.arm()
        optimizer.step()

    It comes last of all that looks at the gradients before an update, so the journal's norm and the watched layers' are
    those before clipping; and it takes the norm from the journal, so that it is not worked out twice. Nothing is read
    back from the device. A norm that is NaN or infinite clips nothing well: the guard leaves such updates out.
    """

    def __init__(self, optimizer: Optimizer, journal: Journal, largest: float) -> None:
        self.optimizer = optimizer
        self.journal = journal
        self.largest = largest
        self._handle: RemovableHandle | None = None

    def arm(self, *_: object) -> None:
        """Puts the scaling behind every hook that is there now."""
        self.close()
        self._handle = self.optimizer.register_step_pre_hook(self._scale)

    def close(self) -> None:
        if self._handle is not None:
            self._handle.remove()
            self._handle = None

    @torch.no_grad()
    def _scale(self, optimizer: Optimizer, *_: Any) -> None:
        if self.journal.norm is not None:
            parameters = [p for group in optimizer.param_groups for p in group["params"] if p.grad is not None]
            torch.nn.utils.clip_grads_with_norm_(parameters, self.largest, self.journal.norm)
