"""Count idle CPU cores, for the thread tuner."""

from __future__ import annotations

import os
import time

import psutil

LEAST_SECONDS = 0.2
"""The kernel counts in hundredths of a second: over a shorter time they say too little."""


class IdleCores:
    """Callable: cores of this process that were idle since the call before, on average.

    None at the first call, at one that comes too soon, and where the system does not count. A call costs 50 µs.
    """

    def __init__(self) -> None:
        self._before: tuple[float, float] | None = None

    def __call__(self) -> float | None:
        before, self._before = self._before, _idle()
        if before is None or self._before is None or self._before[0] - before[0] < LEAST_SECONDS:
            return None
        return (self._before[1] - before[1]) / (self._before[0] - before[0])


def _idle() -> tuple[float, float] | None:
    """(time, idle seconds of the usable cores); waiting for a disk counts as idle."""
    try:
        cores = psutil.cpu_times(percpu=True)
        usable = os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else range(len(cores))
        idle = sum(cores[core].idle + getattr(cores[core], "iowait", 0.0) for core in usable)
    except (OSError, IndexError, RuntimeError):  # a container that hides /proc/stat, or some of its cores
        return None
    return time.monotonic(), idle
