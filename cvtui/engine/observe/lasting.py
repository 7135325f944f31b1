"""What is held of a loop's batch for later, where the loop may fill the same memory with its next one."""

from __future__ import annotations

import torch
from torch import Tensor


def lasting(values: Tensor) -> Tensor:
    """Return the values as they are now: a copy where they were written in place, else themselves without a graph.

    Loops with buffers of their own (for a CUDA graph, say) copy each batch into them; into one of NumPy's no count of
    PyTorch's tells of it. What a loader or an index has made is new, and no one writes into it.
    """
    values = values.detach()
    return values.clone() if values.is_inference() or values._version or _is_lent(values) else values


def _is_lent(values: Tensor) -> bool:
    """Return True for memory that is not PyTorch's own."""
    return type(values) is Tensor and values.layout is torch.strided and not values.untyped_storage().resizable()
