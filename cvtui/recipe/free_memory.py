"""Memory that this process may take: of the machine, its container, its own limit."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import psutil

GIB = 1 << 30
NO_LIMIT = 1 << 60
"""What the kernel writes for a group without a limit (cgroup v1) is a number beyond this."""


def free_memory(*, swap: bool = False) -> int:
    """Return the bytes that this process may take: of the machine, its container, its own limit.

    The least of them; the machine's with its swap space, where that is asked for.
    """
    try:
        free = int(psutil.virtual_memory().available) + (int(psutil.swap_memory().free) if swap else 0)
    except (OSError, RuntimeError):  # a container that hides /proc/meminfo
        free = 8 * GIB
    return min([free, *cgroup_free_memory(), *_limit_left()])


def cgroup_free_memory(root: Path = Path("/sys/fs/cgroup"), own: Path = Path("/proc/self/cgroup")) -> Iterator[int]:
    """Yield the bytes left in each control group (v1 or v2) that holds this process and has a limit.

    What the kernel keeps of files there it gives back, so that it counts as free.
    """
    try:
        lines = own.read_text(encoding="utf-8").splitlines()
    except OSError:
        return
    for line in lines:
        _, kinds, path = (*line.split(":", 2), "", "")[:3]
        if kinds and "memory" not in kinds.split(","):
            continue
        base = root / "memory" if kinds else root
        names = ("memory.limit_in_bytes", "memory.usage_in_bytes") if kinds else ("memory.max", "memory.current")
        place = base / path.strip("/")
        for folder in (place, *place.parents):
            if (left := _left(folder, *names)) is not None:
                yield left
            if folder == base:
                break


def _left(folder: Path, limit: str, usage: str) -> int | None:
    """Of one group; None where it has no limit, or is not there."""
    try:
        most = (folder / limit).read_text(encoding="ascii").strip()
        if not most.isdecimal() or int(most) >= NO_LIMIT:
            return None
        used = int((folder / usage).read_text(encoding="ascii"))
        stat = dict(line.split() for line in (folder / "memory.stat").read_text(encoding="ascii").splitlines())
        files = int(stat.get("total_inactive_file", stat.get("inactive_file", 0)))
    except (OSError, ValueError):
        return None
    return max(0, int(most) - max(0, used - files))


def _limit_left() -> Iterator[int]:
    """Under `ulimit -v`."""
    try:
        import resource

        limit = resource.getrlimit(resource.RLIMIT_AS)[0]
        if limit != resource.RLIM_INFINITY:
            yield max(0, limit - int(psutil.Process().memory_info().vms))
    except (ImportError, AttributeError, OSError, ValueError, psutil.Error):
        return
