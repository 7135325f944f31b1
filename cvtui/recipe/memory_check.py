"""Memory check of a net: counted before anything is allocated, and without torch."""

from __future__ import annotations

import math
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import psutil

from cvtui.calc.memory import NUMBER, training_memory
from cvtui.errors import RequestError
from cvtui.recipe.choices.optimizers import copies_of
from cvtui.recipe.validation import Checked

GIB = 1 << 30
GPU_SIGNS = ("/dev/nvidiactl", "/dev/nvidia0", "/dev/dxg", "/dev/kfd")
NO_LIMIT = 1 << 60
"""What the kernel writes for a group without a limit (cgroup v1) is a number beyond this."""


class MemoryNeed(NamedTuple):
    """Bytes of a training, images apart."""

    weights: int
    gradients: int
    optimizer: int
    """Its state, and a running mean of the weights."""
    activations: int
    """Kept for the backward pass of one batch, and the inputs of those that a step still has to take."""

    @property
    def fixed(self) -> int:
        """Whatever the batch size is."""
        return self.weights + self.gradients + self.optimizer

    @property
    def total(self) -> int:
        return self.fixed + self.activations


def memory_need(checked: Checked, batch: int = 0) -> MemoryNeed:
    """Count what training the recipe holds, at another batch size where one is given."""
    recipe = checked.recipe
    net = training_memory(checked.table, batch or recipe.batch_size)
    state = net.state(copies_of(checked.optimizer, recipe.ema))
    waiting = (recipe.accumulate - 1) * (batch or recipe.batch_size) * math.prod(checked.data.size) * NUMBER
    return MemoryNeed(net.parameters, net.gradients, state, net.activations + waiting)


def check_memory(checked: Checked, free: int, where: str, *, built_only: bool = False) -> None:
    """RequestError, in one line with the estimate, where the net can't fit into `free` bytes whatever its batch size.

    built_only: just the weights, which are drawn in the machine's own memory before they go to a GPU.
    """
    need = memory_need(checked)
    if (need.weights if built_only else need.fixed) <= free:
        return
    raise RequestError(
        f"net: {checked.table.parameters:,} parameters don't fit: weights {gib(need.weights)}, gradients "
        f"{gib(need.gradients)}, optimiser {gib(need.optimizer)} and activations {gib(need.activations)} (batch size "
        f"{checked.recipe.batch_size:,}) are {gib(need.total)}; {where} has {gib(free)} free",
        hint="take a smaller net",
    )


def check_machine(checked: Checked) -> None:
    """Check the same before any process starts. RequestError.

    Where the run may go to a GPU only the weights are asked about here; the engine, which knows the GPU, asks about the
    rest.
    """
    device = checked.recipe.device
    on_cpu = device == "cpu" or (
        device == "auto" and sys.platform == "linux" and not any(Path(sign).exists() for sign in GPU_SIGNS)
    )
    check_memory(checked, free_memory(swap=True), "this machine", built_only=not on_cpu)


def gib(size: int) -> str:
    """Bytes in GiB with three digits."""
    amount = size / GIB
    return f"{amount:,.0f} GiB" if amount >= 100 else f"{amount:.3g} GiB"


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
