"""Load the data of a recipe: a registry of readers, one per data source, and the selection of images.

Pixels stay uint8 (a quarter of the memory, and of the way to a GPU) until a batch is preprocessed. There is no
DataLoader: 64 images of CIFAR size are gathered in some 50 µs, less than its queue costs. (A folder that is larger
than the memory does stream through one: see streaming.py.)
"""

from __future__ import annotations

from collections.abc import Callable

import torch

from cvtui.engine.data import embedded, image_folder, listed, npz_file, torchvision_sets, toy_sets, user_dataset
from cvtui.engine.data.filling import settle
from cvtui.engine.data.images import Images, OnProgress, Split
from cvtui.engine.data.resizing import resized
from cvtui.engine.data.selection import Noise, select
from cvtui.errors import RequestError
from cvtui.recipe.datasets.catalog import source_of
from cvtui.recipe.datasets.data_facts import parse_size
from cvtui.recipe.datasets.facts import source_facts
from cvtui.recipe.free_memory import free_memory
from cvtui.recipe.memory_check import gib
from cvtui.recipe.recipe import Recipe

Reader = Callable[[Recipe, OnProgress | None], Split]
"""Reads the whole set that a recipe names, with its class names. RequestError where it can't."""

MEMORY_SHARE = 0.5
"""Of the memory that is free: so much a named set may take at another size."""

READERS: dict[str, Reader] = {
    "embedded": embedded.read,
    "toy_sets": toy_sets.read,
    "torchvision_sets": torchvision_sets.read,
    "image_folder": image_folder.read,
    "csv_file": listed.read,
    "npz_file": npz_file.read,
    "parquet_file": listed.read,
    "tar_shards": listed.read,
    "user_dataset": user_dataset.read,
}
"""By `cvtui.recipe.datasets.source.DataSource.reader`."""


def load(recipe: Recipe, on_progress: OnProgress | None = None, *, settled: bool = True) -> Split:
    """Load the recipe's data into the CPU's memory (or streaming from files), with its selection made.

    Selection: a subset of classes, a limit, an imbalance, noise in the labels. RequestError when it can't be read.
    settled: False returns a large set of which not all is decoded yet; `filling.settle` waits for the rest.
    """
    try:
        source = source_of(recipe.data)
        split = READERS[source.reader](recipe, on_progress)
    except (OSError, ValueError, KeyError) as error:
        raise RequestError(f"data: {recipe.data} can't be read: {error}") from error
    noise = Noise(recipe.label_noise, recipe.seed)
    selected = select(split, recipe.only, recipe.limit, recipe.imbalance, noise, recipe.seed)
    if recipe.size and source.sets:
        selected = _at_size(selected, recipe)
    return settle(selected) if settled else selected


def _at_size(split: Split, recipe: Recipe) -> Split:
    """Bring the images of a set that is chosen by name to the recipe's size. RequestError for more than fit."""
    parts, shape = (split.train, split.validation), parse_size(recipe.size)
    need = sum(part.size for part in parts) * shape[0] * shape[1] * source_facts(recipe).size[-1]
    if need > MEMORY_SHARE * (free := free_memory()):
        raise RequestError(
            f"size: the images of {recipe.data} take {gib(need)} at {shape[0]}x{shape[1]}, more than half of the free "
            f"memory ({gib(free)}); a smaller size, or fewer images by --limit"
        )
    whole = [part.batch(torch.arange(part.size)) for part in parts]
    train, validation = (Images(resized(pixels, shape), labels) for pixels, labels in whole)
    return split._replace(train=train, validation=validation)
