"""Keep freed memory in the allocator (malloc trim and mmap thresholds).

glibc gives large pieces back to the kernel as soon as they are free, and the kernel clears every page that it hands
out anew: 9,000 pages a step on a CIFAR-sized net at batch 64, 50,000 on a ResNet-18 at batch 32, which is a sixth to a
fourth of a step's time. (On a GPU, PyTorch's own allocator does the same as this.)
"""

from __future__ import annotations

import ctypes
import os

TRIM_THRESHOLD, MMAP_THRESHOLD = -1, -3
"""Their numbers in malloc.h."""
NEVER = -1
LARGEST = 1 << 30
LARGEST_OF_OLD = 32 << 20
"""What a glibc older than 2.35 takes."""
CHOICES = ("MALLOC_TRIM_THRESHOLD_", "MALLOC_MMAP_THRESHOLD_", "MALLOC_TOP_PAD_")
"""Variables by which a person chooses: theirs stand."""


def keep_freed_memory() -> bool:
    """Keep freed memory from now on, in the whole process.

    False, and nothing is changed, without glibc, or where the environment says how glibc is to do it.
    """
    if any(name in os.environ for name in CHOICES) or "glibc.malloc" in os.environ.get("GLIBC_TUNABLES", ""):
        return False
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError, TypeError):
        return False
    if not mallopt(MMAP_THRESHOLD, LARGEST) and not mallopt(MMAP_THRESHOLD, LARGEST_OF_OLD):
        return False  # without it, the other would do harm: the threshold no longer follows what is freed
    return bool(mallopt(TRIM_THRESHOLD, NEVER))
