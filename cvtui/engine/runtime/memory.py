"""Out of memory: estimated before anything is allocated, and recognised where it happened."""

from __future__ import annotations

import torch

from cvtui.recipe.free_memory import free_memory
from cvtui.recipe.memory_check import check_memory, gib, memory_need
from cvtui.recipe.validation import Checked

_SIGNS = ("DefaultCPUAllocator", "out of memory", "ALLOC_FAILED", "can't allocate memory")
"""Of the CPU's allocator, of CUDA itself, of cuBLAS and cuDNN: they raise a plain RuntimeError."""


def is_out_of_memory(error: BaseException) -> bool:
    """Return True for what PyTorch, NumPy or Python raise where memory runs out."""
    if isinstance(error, torch.OutOfMemoryError | MemoryError):
        return True
    return isinstance(error, RuntimeError) and any(sign in str(error) for sign in _SIGNS)


def check_fits(checked: Checked, device: torch.device) -> str:
    """Check the memory estimate against `device`; RequestError where the net can't be trained there at all.

    Else "", or a warning where this batch size may need more than there is (the activations are an estimate).
    """
    free = free_memory(swap=True)
    if device.type == "cuda":
        check_memory(checked, free, "this machine", built_only=True)
        free = free_on_gpu(device)
    check_memory(checked, free, str(device))
    need = memory_need(checked)
    if need.total <= free:
        return ""
    return (
        f"it may run out of memory: weights, gradients, optimiser and activations are about {gib(need.total)}, and "
        f"{gib(free)} are free on {device}; a smaller batch size needs less"
    )


def free_on_gpu(device: torch.device) -> int:
    """Bytes available on the GPU: free (and within this process's share), or held by its allocator and not used."""
    free, total = torch.cuda.mem_get_info(device)
    reserved = torch.cuda.memory_reserved(device)
    share = torch.cuda.get_per_process_memory_fraction(device) * total - reserved
    return int(min(free, share) + reserved - torch.cuda.memory_allocated(device))


def smaller_batch(checked: Checked, had: int) -> int:
    """Halve the batch size until its estimate fits into the `had` bytes.

    0 where no batch is smaller.
    """
    size = checked.recipe.batch_size // 2
    while size > 1 and memory_need(checked, size).total > had:
        size //= 2
    return size
