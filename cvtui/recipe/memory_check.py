"""Memory check of a net: counted before anything is allocated, and without torch."""

from __future__ import annotations

import math
import sys
from pathlib import Path
from typing import NamedTuple

from cvtui.calc.memory import NUMBER, training_memory
from cvtui.errors import RequestError
from cvtui.recipe.choices.optimizers import copies_of
from cvtui.recipe.free_memory import GIB, free_memory
from cvtui.recipe.validation import Checked

GPU_SIGNS = ("/dev/nvidiactl", "/dev/nvidia0", "/dev/dxg", "/dev/kfd")


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
    net = training_memory(checked.table, batch or recipe.batch_size, checked.frozen)
    state = net.state(copies_of(checked.optimizer), mean=recipe.ema > 0)
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
