"""Gradients that were clipped value by value: most of their entries have one and the same size."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor

NEAR = 1 - 1e-4
"""Of the largest size: what is as large."""
MOST = 0.5
"""Share of entries above which they were cut."""
SOME = 1 << 14
"""Entries of each gradient that are looked at, at most: more would take memory."""


@torch.no_grad()
def largest_and_share(gradients: Iterable[Tensor]) -> Tensor | None:
    """Return [largest size, share of entries that have it] of some entries of each, on the device; None without any."""
    dense = [
        one.detach().view(-1)[:: max(1, one.numel() // SOME)]
        for one in gradients
        if not one.is_sparse and one.numel() and one.is_contiguous()
    ]
    count = sum(one.numel() for one in dense)
    if not dense or len({one.device for one in dense}) > 1:
        return None
    largest = torch.stack([one.abs().amax().float() for one in dense]).amax()
    at = torch.stack([(one.abs() >= NEAR * largest).sum() for one in dense]).sum()
    return torch.stack([largest, at / count])


def capped(numbers: Tensor | None) -> list[float]:
    """Return [size, share] where most entries have that size; [] otherwise."""
    if numbers is None:
        return []
    size, share = numbers.tolist()
    return [float(f"{size:.6g}"), float(f"{share:.6g}")] if size > 0 and share > MOST else []
