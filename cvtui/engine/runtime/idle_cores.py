"""Count idle CPU cores, for the thread tuner."""

from __future__ import annotations

import os
import time
from pathlib import Path

import psutil

from cvtui.runlog.worker_process import usable_cores

OF_CONTAINER = Path("/sys/fs/cgroup/cpu.stat")
"""Where the kernel counts what a container has used of its CPU quota."""
LEAST_SECONDS = 0.2
"""The kernel counts in hundredths of a second: over a shorter time they say too little."""


class IdleCores:
    """Callable: cores of this process that were idle since the call before, on average.

    Of a container with a CPU quota, what is left of that: the cores themselves may be idle for others. None at the
    first call, at one that comes too soon, and where the system does not count. A call costs 50 µs.
    """

    def __init__(self) -> None:
        self._before: tuple[float, float, float] | None = None

    def __call__(self) -> float | None:
        before, self._before = self._before, _reading()
        if before is None or self._before is None or self._before[0] - before[0] < LEAST_SECONDS:
            return None
        seconds, idle, left = (now - then for now, then in zip(self._before, before, strict=True))
        return max(0.0, min(idle, left)) / seconds


def _reading() -> tuple[float, float, float] | None:
    """(time, idle seconds of the cores, seconds not used of the quota) so far; waiting for a disk counts as idle."""
    try:
        cores = psutil.cpu_times(percpu=True)
        usable = os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else range(len(cores))
        idle = sum(cores[core].idle + getattr(cores[core], "iowait", 0.0) for core in usable)
        now, most = time.monotonic(), usable_cores()
        # (0 for what is used at both ends: no quota, all of the time is left)
        used = int(OF_CONTAINER.read_text().split()[1]) / 1e6 if most < len(usable) else 0.0
    except (OSError, IndexError, ValueError, RuntimeError):  # a container that hides /proc/stat, or some of its cores
        return None
    return now, idle, most * now - used
