"""Batches with values that are not finite, as long as the run goes: one sum each."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from cvtui.engine.observe.joined_batches import Joined


class FiniteInputs:
    """Look for the first step whose batch held NaN or infinity; `wanted`: else nothing is done."""

    def __init__(self, wanted: bool) -> None:
        self._wanted = wanted
        self._steps: list[int] = []
        self._sums: list[Tensor] = []

    def take(self, batches: Joined) -> None:
        """Take batches; their sums stay on their device."""
        images = batches.images.detach()
        if self._wanted and images.is_floating_point():
            several = len(batches.steps) > 1
            self._steps += batches.steps
            rows = images.reshape(len(batches.steps), -1) if several else images
            # (In float16 65,505 pixels of 1 are infinite.)
            self._sums.append(rows.sum(1 if several else None, dtype=torch.float32).reshape(-1))

    def facts(self) -> dict[str, Any]:
        """Return the field about it, once, read from the device; {} where all was finite."""
        if not self._sums:
            return {}
        sums, steps, self._sums, self._steps = self._sums, self._steps, [], []
        bad = (~torch.cat([total.float() for total in sums]).isfinite()).tolist()
        found = next((step for step, is_bad in zip(steps, bad, strict=True) if is_bad), None)
        if found is None:
            return {}
        self._wanted = False
        return {"bad_batch": found}
