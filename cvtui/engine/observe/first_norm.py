"""The first batch norm of a net that was trained before: whether what comes to it is what it was trained on.

Nothing is read back from the device before `facts`.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from cvtui.engine.observe.forward_hooks import Handle, forward_hooks, is_compiled
from cvtui.text import rounded_or_none


class FirstNorm:
    """Compare, in the first forward pass in training, the first batch norm's input with its running statistics."""

    def __init__(self, model: nn.Module) -> None:
        self._seen: list[Tensor] = []
        self._frozen = False
        norms = (one for one in model.modules() if isinstance(one, nn.modules.batchnorm._BatchNorm))
        norm = next((one for one in norms if one.running_mean is not None), None)
        self._handles: list[Handle] = []
        if norm is not None and not is_compiled(model):
            self._handles.append(forward_hooks(model).before(norm, self._look, inside=False))

    def _look(self, norm: nn.Module, inputs: Any) -> None:
        if not torch.is_grad_enabled() or not inputs or not isinstance(inputs[0], Tensor):
            return
        self.close()
        mean, var, batch = norm.running_mean, norm.running_var, inputs[0]
        if not isinstance(mean, Tensor) or not isinstance(var, Tensor) or batch.dim() < 2:
            return
        self._frozen = not norm.training
        with torch.no_grad():
            axes = [axis for axis in range(batch.dim()) if axis != 1]
            came = batch.detach().float()
            size = (var.float() + 1e-12).sqrt()
            shift = (came.mean(axes) - mean.float()).abs() / size
            spread = came.var(axes, unbiased=False).sqrt() / size
            fresh = (mean == 0).all() & (var == 1).all()
            self._seen = [torch.stack([shift.median(), spread.median(), fresh.float()])]

    def facts(self) -> dict[str, Any]:
        """Return the fields about it; {} of a net that is new."""
        if not self._seen:
            return {}
        shift, spread, fresh = self._seen[0].tolist()
        if fresh:
            return {}
        return {
            "norm_shift": rounded_or_none(shift, 4),
            "norm_spread": rounded_or_none(spread, 4),
            "norm_frozen": self._frozen,
        }

    def close(self) -> None:
        for handle in self._handles:
            handle.remove()
        self._handles = []
