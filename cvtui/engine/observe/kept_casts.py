"""Casts that autocast keeps of the weights, and by how many updates they are behind: one context around a whole loop.

Autocast casts a float32 weight once and keeps the cast until the outermost context is left. Where that context stands
around the training loop instead of around each forward pass, the net computes with the weights of its first step for
good, while the optimizer moves the others (torch 2.14.1; no error, no warning).
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager

import torch
from torch import Tensor
from torch.nn import functional


class KeptCasts:
    """One weight of our own that is set to the number of updates, and is read through autocast as the layers' are.

    within_memory: leaves out what there is no memory for.
    """

    def __init__(self, within_memory: Callable[[], AbstractContextManager[None]]) -> None:
        self._within_memory = within_memory
        self._weight: Tensor | None = None
        self._updates = 0
        self._behind: list[Tensor] = []

    def updated(self) -> None:
        """Follow an update of the optimizer."""
        self._updates += 1
        if self._weight is not None:
            with torch.no_grad():
                self._weight.fill_(self._updates)

    def before_forward(self, images: Tensor) -> None:
        """Read the weight as the layers of this forward pass will read theirs."""
        kind = images.device.type
        if not torch.is_autocast_enabled(kind) or not torch.is_autocast_cache_enabled():
            return
        with self._within_memory(), torch.enable_grad():
            if self._weight is None or self._weight.device != images.device:
                self._weight = torch.full((1, 1), float(self._updates), device=images.device, requires_grad=True)
            read = functional.linear(torch.ones((1, 1), device=images.device), self._weight)
        self._behind.append(self._updates - read.detach().float().reshape(()))

    def most(self) -> int | None:
        """Return by how many updates they were behind at most, read from the device; None without autocast."""
        return int(torch.stack(self._behind).max().item()) if self._behind else None
