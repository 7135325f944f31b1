"""Load the data of a recipe: a registry of readers, one per data source, and the selection of images.

Pixels stay uint8 (a quarter of the memory, and of the way to a GPU) until a batch is preprocessed. There is no
DataLoader: 64 images of CIFAR size are gathered in some 50 µs, less than its queue costs. (A folder that is larger
than the memory does stream through one: see streaming.py.)
"""

from __future__ import annotations

from collections.abc import Callable

from cvtui.engine.data import embedded, image_folder, listed, npz_file, torchvision_sets, toy_sets, user_dataset
from cvtui.engine.data.filling import settle
from cvtui.engine.data.images import OnProgress, Split
from cvtui.engine.data.selection import Noise, select
from cvtui.errors import RequestError
from cvtui.recipe.datasets.catalog import source_of
from cvtui.recipe.recipe import Recipe

Reader = Callable[[Recipe, OnProgress | None], Split]
"""Reads the whole set that a recipe names, with its class names. RequestError where it can't."""

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
        split = READERS[source_of(recipe.data).reader](recipe, on_progress)
    except (OSError, ValueError, KeyError) as error:
        raise RequestError(f"data: {recipe.data} can't be read: {error}") from error
    noise = Noise(recipe.label_noise, recipe.seed)
    selected = select(split, recipe.only, recipe.limit, recipe.imbalance, noise, recipe.seed)
    return settle(selected) if settled else selected
