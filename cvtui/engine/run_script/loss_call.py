"""A call of a loss function, as the script made it."""

from __future__ import annotations

from typing import NamedTuple

from torch import Tensor

CLASSES = ("cross_entropy", "nll_loss")
"""Losses of class numbers."""


class Call(NamedTuple):
    """A call of a loss function."""

    name: str
    input: Tensor | None
    """None of very many values."""
    target: Tensor | None
    value: Tensor
    """A scalar: the mean over the batch, or its sum."""
    summed: bool
    learns: bool
    """It has a gradient."""
