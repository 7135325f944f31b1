"""Gradient clipping by the global 2-norm: all are scaled by one factor and keep their direction."""

from __future__ import annotations

from typing import Any

import torch
from torch.optim import Optimizer
from torch.utils.hooks import RemovableHandle

from cvtui.engine.observe.gradient_norm import GradientNorm


class Clip:
    """Scale gradients before the update: dx *= min(1, max_norm / ‖dx‖) (Pascanu 2013; torch's clip_grad_norm_).

        clip.arm()
        optimizer.step()

    It runs last of the optimizer's pre-step hooks, so the norms of the recorder and of the watched layers are those
    before clipping; it takes the recorder's norm, so that it is not worked out twice. Nothing is read back from the
    device. A norm that is NaN or infinite clips nothing well: NonfiniteGuard skips such updates.
    """

    def __init__(self, optimizer: Optimizer, norm: GradientNorm, max_norm: float) -> None:
        self.optimizer = optimizer
        self._norm = norm
        self.max_norm = max_norm
        self._handle: RemovableHandle | None = None

    def arm(self, *_: object) -> None:
        """Register clipping last among the optimizer's pre-step hooks."""
        self.close()
        self._handle = self.optimizer.register_step_pre_hook(self._scale)

    def close(self) -> None:
        if self._handle is not None:
            self._handle.remove()
            self._handle = None

    @torch.no_grad()
    def _scale(self, optimizer: Optimizer, *_: Any) -> None:
        if (norm := self._norm.whole) is not None:
            parameters = [p for group in optimizer.param_groups for p in group["params"] if p.grad is not None]
            torch.nn.utils.clip_grads_with_norm_(parameters, self.max_norm, norm)
