"""Batches that are looked at several at once: of small ones, each call takes longer than what it does."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor

SMALL = 1 << 16
"""Values of a batch of which copies are held; larger ones are looked at as they come."""
MOST = 16
"""Batches that are held."""


class Joined(NamedTuple):
    """Batches of one shape, one behind the other."""

    images: Tensor
    steps: list[int]


class JoinedBatches:
    """Copies of a training's batches, which `look` gets; a net may write over its own."""

    def __init__(self, look: Callable[[Joined], None]) -> None:
        self._look = look
        self._steps: list[int] = []
        self._held: list[Tensor] = []

    def take(self, step: int, images: Tensor) -> None:
        """Take the batch of a step."""
        if images.numel() > SMALL or images.is_sparse or images.is_inference():
            self.pour()
            self._look(Joined(images, [step]))
            return
        held = self._held
        if held:
            first = held[0]
            if first.shape != images.shape or first.dtype != images.dtype or first.device != images.device:
                self.pour()
        self._steps.append(step)
        self._held.append(images.detach().clone())
        if len(self._steps) >= MOST:
            self.pour()

    def pour(self) -> None:
        """Look at those that are held."""
        if self._steps:
            steps, held, self._steps, self._held = self._steps, self._held, [], []
            self._look(Joined(torch.cat(held) if len(held) > 1 and held[0].dim() else held[0], steps))
