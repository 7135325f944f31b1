"""Images and labels as tensors that live on the training device, and batches cut from them by index.

Pixels stay uint8 (a quarter of the memory, and of the way to a GPU) until a batch is preprocessed. There is no
DataLoader: 64 images of CIFAR size are gathered in some 50 µs, less than its queue costs. (A folder that is larger
than the memory does stream through one: see streaming.py.)
"""

from __future__ import annotations

from functools import lru_cache

from cvtui.engine.data.embedded import SOURCES
from cvtui.engine.data.images import Split, Tell
from cvtui.engine.data.selection import Noise, select
from cvtui.errors import RequestError
from cvtui.recipe.datasets.facts import folder_of, kind_of
from cvtui.recipe.recipe import Recipe


def load(recipe: Recipe, tell: Tell | None = None) -> Split:
    """The recipe's data in the CPU's memory (or streaming from its files), with its selection made: a subset of
    classes, a limit, an imbalance, noise in the labels. RequestError when it can't be read."""
    size = recipe.size.lower()
    source = _source(recipe.data, recipe.data_dir, size, recipe.val_share, recipe.seed, tell)
    noise = Noise(recipe.label_noise, recipe.seed)
    return select(source, recipe.only, recipe.limit, recipe.imbalance, noise, recipe.data, recipe.seed)


def _source(name: str, data_dir: str, size: str, val_share: float, seed: int, tell: Tell | None) -> Split:
    folder = folder_of(name)
    if folder is not None:
        from cvtui.engine.data.image_folder import read_folder

        return read_folder(folder, size, val_share, seed, tell)
    if kind_of(name) == "callable":
        from cvtui.engine.data.user_dataset import read_callable

        return read_callable(name, size, val_share, seed)
    return _named(name, data_dir)


@lru_cache(maxsize=2)  # a warmed engine predicts many times and then trains
def _named(name: str, data_dir: str) -> Split:
    try:
        if kind_of(name) == "toy":
            from cvtui.engine.data.toy_set import read_toy

            return read_toy(name)
        if name in SOURCES:
            return SOURCES[name]()
        from cvtui.engine.data.torchvision_sets import read

        return read(name, data_dir)
    except (OSError, ValueError, KeyError) as error:
        raise RequestError(f"data: {name} can't be read: {error}") from error
