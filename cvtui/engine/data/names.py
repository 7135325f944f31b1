"""Names of a part's images: a file's path, `pictures.npz[17]`, `shard.tar:key`, or the number of an item."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from torch import Tensor

from cvtui.recipe.datasets.packed import holds_packed


class Names:
    """Names of images by their numbers: a list of them, or what stands before and behind the number."""

    def __init__(self, names: Sequence[str] | tuple[str, str], numbers: Sequence[int], *, files: bool = False) -> None:
        self._names = names
        self._numbers = numbers
        """Of each image: its place in the list, or the number itself."""
        self.files = files
        """Each name is the path of a file with this image alone."""

    @classmethod
    def of_files(cls, paths: Sequence[str]) -> Names:
        return cls(paths, range(len(paths)), files=not holds_packed(paths))

    def __len__(self) -> int:
        return len(self._numbers)

    def __getitem__(self, number: int) -> str:
        place = self._numbers[number]
        if isinstance(self._names, tuple):
            return f"{self._names[0]}{place}{self._names[1]}"
        return self._names[place]

    def __iter__(self) -> Iterator[str]:
        return (self[number] for number in range(len(self)))

    def chosen(self, places: Tensor | None) -> Names:
        """Return the names of the images at these places; None: all."""
        if places is None:
            return self
        numbers = [self._numbers[place] for place in places.tolist()]
        return Names(self._names, numbers, files=self.files)


class NamePair(NamedTuple):
    """Names of both parts of a data set."""

    train: Names
    validation: Names


def names_of(source: Any, count: int) -> Names | None:
    """Return the paths that a user's Dataset knows of its items: `.samples`, `.imgs` or `.filenames`; None without.

    Also through `Subset` (and so `random_split`) and `ConcatDataset`.
    """
    try:
        paths = _paths(source, 0)
        return Names.of_files(paths) if paths is not None and len(paths) == count else None
    except Exception:  # attributes of a user's class may be anything
        return None


MOST_NESTED = 8
"""Data sets within data sets; a circle ends there."""


def _paths(source: Any, depth: int) -> list[str] | None:
    if depth > MOST_NESTED:
        return None
    if hasattr(source, "dataset") and hasattr(source, "indices"):
        inner = _paths(source.dataset, depth + 1)
        return None if inner is None else [inner[int(index)] for index in source.indices]
    if isinstance(parts := getattr(source, "datasets", None), list | tuple):
        found = [_paths(part, depth + 1) for part in parts]
        return None if None in found else [path for part in found for path in part or ()]
    for name in ("samples", "imgs", "filenames"):
        listed = getattr(source, name, None)
        if isinstance(listed, Sequence) and listed and not isinstance(listed, str):
            first = [entry[0] if isinstance(entry, tuple | list) else entry for entry in listed]
            if all(isinstance(path, str | os.PathLike) for path in first):
                return [os.fspath(path) for path in first]
    return None


def numbered(train: int, validation: int) -> NamePair:
    """Return names by number, where the source has none: `train 17`."""
    return NamePair(Names(("train ", ""), range(train)), Names(("validation ", ""), range(validation)))
