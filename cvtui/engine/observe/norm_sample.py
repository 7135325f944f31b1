"""Running statistics of all batch norms of a model, copied together before and after a forward pass."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from cvtui.engine.observe.layer_extras import RunningStatistics


class RunningTogether:
    """Copies of one forward pass: two operations, where each norm by itself would take four."""

    def __init__(self, norms: Mapping[str, nn.Module], tensors: Sequence[Tensor]) -> None:
        self._norms, self._tensors = norms, tuple(tensors)
        self._before = torch.cat(self._tensors)
        self._after: Tensor | None = None

    def stepped(self) -> None:
        """Take what they are after the pass."""
        self._after = torch.cat(self._tensors)

    def by_layer(self) -> dict[str, RunningStatistics]:
        """Return them of each norm; {} where the pass did not end."""
        if self._after is None:
            return {}
        sizes = [len(one) for one in self._tensors]
        before, after = (torch.split_with_sizes(one, sizes) for one in (self._before, self._after))
        found = {}
        for place, (name, module) in enumerate(self._norms.items()):
            norm: Any = module
            pair = slice(2 * place, 2 * place + 2)
            found[name] = RunningStatistics(before[pair], after[pair], norm.momentum, norm.eps)
        return found


class NormSample:
    """Batch norms that are looked at together, sample after sample."""

    def __init__(self, norms: Mapping[str, nn.Module]) -> None:
        self.norms = norms

    def before(self) -> RunningTogether | None:
        """Copy the running statistics of those that keep any; None without."""
        norms: dict[str, nn.Module] = {}
        tensors: list[Tensor] = []
        for name, norm in self.norms.items():
            own: Any = norm
            mean, var = norm._buffers.get("running_mean"), norm._buffers.get("running_var")
            if norm.training and own.track_running_stats and own.momentum and mean is not None and var is not None:
                norms[name] = norm
                tensors += (mean, var)
        return RunningTogether(norms, tensors) if tensors else None


def can_be_joined(norms: Mapping[str, nn.Module]) -> bool:
    """Return True for norms whose running statistics lie on one device, in one type, each with a fixed share."""
    held = [one for norm in norms.values() for one in norm._buffers.values() if one is not None and one.dim()]
    fixed = all(isinstance(getattr(norm, "momentum", None), float) for norm in norms.values())
    return fixed and len({(one.device, one.dtype) for one in held}) < 2
