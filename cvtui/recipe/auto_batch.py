"""`batch_size = "auto"`: the largest power of two that fits, by the count of what training holds.

On a GPU the engine tries it by real steps (engine/train/batch_trials.py); until then this count stands in for it.
"""

from __future__ import annotations

import math
from typing import NamedTuple

from cvtui.calc import Table
from cvtui.calc.memory import training_memory
from cvtui.calc.module_table import ModuleTable
from cvtui.recipe.choices.optimizers import OPTIMIZERS, copies_of
from cvtui.recipe.choices.spec import parse_choice
from cvtui.recipe.datasets.data_facts import DataFacts
from cvtui.recipe.free_memory import free_memory
from cvtui.recipe.frozen_names import frozen_throughout
from cvtui.recipe.recipe import Recipe

SHARE = 0.6
"""Of the memory that is free: one layer's gradient, a convolution's scratch, the watched layers and the screen come on
top of what is counted."""
AUTO_BATCH = "batch size auto: "
"""How the log's line about it begins."""
UNCOUNTED = 32
"""Of PyTorch code that only the engine can build and count."""


class BatchFit(NamedTuple):
    """A batch size and why."""

    size: int
    need: int
    """Bytes that training with it holds, images included."""
    free: int
    """Bytes that were free."""


def most_images(recipe: Recipe, data: DataFacts) -> int:
    """Return the largest batch size that a step of the recipe may have: all training images in one step."""
    return max(1, data.train // recipe.accumulate)


def powers_up_to(most: int) -> list[int]:
    """Return 1, 2, 4 … up to `most`."""
    return [1 << exponent for exponent in range(most.bit_length())]


def fitting_batch(recipe: Recipe, table: Table | ModuleTable, data: DataFacts, free: int | None = None) -> BatchFit:
    """Find the largest power of two whose training takes at most SHARE of the `free` memory; 1 if none does.

    free: bytes; None asks the machine.
    """
    free = free_memory() if free is None else free
    sizes = powers_up_to(most_images(recipe, data))
    if isinstance(table, ModuleTable) and not table.counted:
        return BatchFit(max(size for size in sizes if size <= UNCOUNTED), 0, free)
    copies = copies_of(parse_choice(recipe.optimizer, OPTIMIZERS, "optimizer"))
    frozen = frozen_throughout(recipe, table)
    values = math.prod(data.size)
    images = (data.train + data.validation) * values

    def need(size: int) -> int:
        net = training_memory(table, size, frozen).total(copies, mean=recipe.ema > 0)
        return net + images + 4 * size * values * (recipe.accumulate - 1)

    fits = [size for size in sizes if need(size) <= SHARE * free] or [1]
    return BatchFit(fits[-1], need(fits[-1]), free)
