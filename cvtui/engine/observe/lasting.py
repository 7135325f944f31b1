"""What is held of a loop's batch for later, where the loop may fill the same memory with its next one."""

from __future__ import annotations

from torch import Tensor


def lasting(values: Tensor) -> Tensor:
    """Return the values as they are now: a copy where they were written in place, else themselves without a graph.

    Loops with buffers of their own (for a CUDA graph, say) copy each batch into them. What a loader or an index has
    made is new, and no one writes into it.
    """
    values = values.detach()
    return values.clone() if values.is_inference() or values._version else values
