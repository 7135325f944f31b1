"""Gradients that were clipped value by value: most of their entries have one and the same size."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor

NEAR = 1 - 1e-4
"""Of the largest size: what is as large."""
MOST = 0.5
"""Share of entries above which they were cut."""
LEAST = 0.01
"""Share of these of either sign, at least: cut at both ends. A toy's gradients may all be one number."""
SOME = 1 << 14
"""Entries of each gradient that are looked at, at most: more would take memory."""


@torch.no_grad()
def largest_and_share(gradients: Iterable[Tensor]) -> Tensor | None:
    """Return [largest size, share of entries at it, share at minus it] of some entries of each; None without any."""
    dense = [
        one.detach().view(-1)[:: max(1, one.numel() // SOME)]
        for one in gradients
        if not (one.is_sparse or one.is_complex()) and one.numel() and one.is_contiguous()
    ]
    count = sum(one.numel() for one in dense)
    if not dense or len({one.device for one in dense}) > 1:
        return None
    largest = torch.stack([one.abs().amax().float() for one in dense]).amax()
    high = torch.stack([(one >= NEAR * largest).sum() for one in dense]).sum()
    low = torch.stack([(one <= -NEAR * largest).sum() for one in dense]).sum()
    return torch.stack([largest, high / count, low / count])


def all_alike(numbers: Tensor | None) -> bool:
    """Return True if all entries are one number: none was cut to it, as a cut leaves both signs."""
    return numbers is not None and float(numbers[1:].max()) >= NEAR


def capped(numbers: Tensor | None) -> list[float]:
    """Return [size, share] where most entries have that size; [] otherwise."""
    if numbers is None:
        return []
    size, high, low = numbers.tolist()
    cut = size > 0 and high + low > MOST and min(high, low) >= LEAST * (high + low)
    return [float(f"{size:.6g}"), float(f"{high + low:.6g}")] if cut else []
