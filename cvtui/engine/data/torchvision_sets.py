"""Read the torchvision sets (MNIST … STL-10) whole from their published files.

torchvision has readers of its own, of which this keeps the layout on the disk; but its CIFAR is unpickled freely and
hashed at every start, its SVHN needs SciPy, its STL-10 the 2.8 GB without labels.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from pathlib import Path

import numpy as np

from cvtui.calc.table import size_text
from cvtui.engine.data.formats.cifar import read_cifar
from cvtui.engine.data.formats.errors import MOST_BYTES, DamagedError
from cvtui.engine.data.formats.idx import read_idx
from cvtui.engine.data.formats.mat import read_mat
from cvtui.engine.data.images import OnProgress, Split, as_images
from cvtui.errors import RequestError
from cvtui.recipe.datasets.locate import LocatedSet, locate, missing, way_to_get
from cvtui.recipe.datasets.torchvision_sets import STORED
from cvtui.recipe.recipe import Recipe

Arrays = tuple[np.ndarray, np.ndarray]
"""Pixels uint8 N x H x W x C, labels N from 0."""


def read(recipe: Recipe, _: OnProgress | None = None) -> Split:
    """Read the recipe's set; its test images are the validation. RequestError: missing, damaged, another size."""
    return read_set(recipe.data, recipe.data_dir)


@lru_cache(maxsize=2)  # a warm engine forecasts many times and then trains
def read_set(name: str, data_dir: str) -> Split:
    """Read the set `name` of `STORED` into the CPU's memory. RequestError as in `read`."""
    found = locate(name, data_dir)
    if found is None:
        raise RequestError(f"data: {missing(name, data_dir)}")
    try:
        split = read_files(name, found)
        _check_counts(name, found, split)
    except RequestError as error:
        raise RequestError(f"{error.message}; {way_to_get(name, data_dir)}") from error
    return split


def read_files(name: str, found: LocatedSet) -> Split:
    """Read the images in these files, however many they are. DamagedError."""
    train, validation = FILE_READERS[name](found.files)
    facts = STORED[name]
    for (pixels, labels), path in ((train, found.files[0]), (validation, found.files[-1])):
        if len(pixels) != len(labels):
            raise DamagedError(path, f"{len(pixels):,} images have {len(labels):,} labels")
        if pixels.shape[1:] != facts.size:
            shape = size_text(pixels.shape[1:])
            raise DamagedError(path, f"its images are {shape}, not {'x'.join(map(str, facts.size))}")
        if len(labels) and not 0 <= labels.min() <= labels.max() < len(facts.classes):
            wrong = labels.max() if labels.min() >= 0 else labels.min()
            raise DamagedError(path, f"a label is {wrong}; {name} has 0 to {len(facts.classes) - 1}")
    return Split(as_images(*train), as_images(*validation), classes=facts.classes)


def _check_counts(name: str, found: LocatedSet, split: Split) -> None:
    facts = STORED[name]
    for part, count, what in ((split.train, facts.train, "training"), (split.validation, facts.validation, "test")):
        if part.size != count:
            raise RequestError(
                f"data: {str(found.folder)!r} holds {part.size:,} {what} images where {name} has {count:,}"
            )


def _idx(files: tuple[Path, ...]) -> tuple[Arrays, Arrays]:
    train, train_labels, test, test_labels = files
    return (
        (read_idx(train, 3)[..., None], read_idx(train_labels, 1).astype(np.int64)),
        (read_idx(test, 3)[..., None], read_idx(test_labels, 1).astype(np.int64)),
    )


def _emnist(files: tuple[Path, ...]) -> tuple[Arrays, Arrays]:
    """Its files hold the images lying on their side (columns before rows): they are stood up."""
    train, test = _idx(files)
    return (train[0].transpose(0, 2, 1, 3), train[1]), (test[0].transpose(0, 2, 1, 3), test[1])


def _cifar10(files: tuple[Path, ...]) -> tuple[Arrays, Arrays]:
    *train, test = (read_cifar(path, "labels") for path in files)
    pixels, labels = zip(*train, strict=True)
    return (np.concatenate(pixels), np.concatenate(labels)), test


def _cifar100(files: tuple[Path, ...]) -> tuple[Arrays, Arrays]:
    train, test = (read_cifar(path, "fine_labels") for path in files)
    return train, test


def _svhn(files: tuple[Path, ...]) -> tuple[Arrays, Arrays]:
    train, test = (_svhn_part(path) for path in files)
    return train, test


def _svhn_part(path: Path) -> Arrays:
    """X: rows x columns x channels x images; y: the digit, 10 for 0."""
    arrays = read_mat(path)
    pixels, labels = arrays.get("X"), arrays.get("y")
    if pixels is None or labels is None or pixels.dtype != np.uint8 or pixels.ndim != 4:
        raise DamagedError(path, "it lacks the images X or the digits y")
    digits = labels.astype(np.int64).ravel()
    return pixels.transpose(3, 0, 1, 2), np.where(digits == 10, 0, digits)


def _stl10(files: tuple[Path, ...]) -> tuple[Arrays, Arrays]:
    train, train_labels, test, test_labels = files
    return (_stl10_pixels(train), _stl10_labels(train_labels)), (_stl10_pixels(test), _stl10_labels(test_labels))


def _stl10_pixels(path: Path) -> np.ndarray:
    """Images x channels x columns x rows, a byte each, no header."""
    length, each = path.stat().st_size, 3 * 96 * 96
    if length % each or length > MOST_BYTES:
        raise DamagedError(path, f"{length:,} bytes are no whole number of images of {each:,}")
    return np.fromfile(path, np.uint8).reshape(-1, 3, 96, 96).transpose(0, 3, 2, 1)


def _stl10_labels(path: Path) -> np.ndarray:
    """Classes from 1, a byte each."""
    return np.fromfile(path, np.uint8).astype(np.int64) - 1


FILE_READERS: dict[str, Callable[[tuple[Path, ...]], tuple[Arrays, Arrays]]] = {
    "mnist": _idx,
    "fashion-mnist": _idx,
    "kmnist": _idx,
    "emnist": _emnist,
    "cifar10": _cifar10,
    "cifar100": _cifar100,
    "svhn": _svhn,
    "stl10": _stl10,
}
"""Name -> takes the files of `Storage.files` in that order, gives training and test."""
