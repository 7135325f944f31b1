"""Batches with values that are not finite, as long as the run goes: one sum a step."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor


class FiniteInputs:
    """Look for the first step whose batch held NaN or infinity; `wanted`: else nothing is done."""

    def __init__(self, wanted: bool) -> None:
        self._wanted = wanted
        self._sums: list[tuple[int, Tensor]] = []

    def take(self, step: int, images: Tensor) -> None:
        """Take the batch of a step; the sum stays on its device."""
        if self._wanted and images.is_floating_point():
            self._sums.append((step, images.detach().sum()))  # (one number: memory is no matter)

    def facts(self) -> dict[str, Any]:
        """Return the field about it, once, read from the device; {} where all was finite."""
        if not self._sums:
            return {}
        waiting, self._sums = self._sums, []
        bad = (~torch.stack([total.float() for _, total in waiting]).isfinite()).tolist()
        found = next((step for (step, _), is_bad in zip(waiting, bad, strict=True) if is_bad), None)
        if found is None:
            return {}
        self._wanted = False
        return {"bad_batch": found}
