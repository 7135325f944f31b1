"""A folder whose pictures are in several classes: links, symbolic or hard, to one real file in several folders."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import NamedTuple

from cvtui.recipe.datasets import label_sets
from cvtui.recipe.datasets.label_sets import LabelSets

Paths = Sequence[Sequence[str]]
"""Of each class."""
Files = tuple[tuple[str, int], ...]
"""(path, number of the set of classes)."""


class Linked(NamedTuple):
    """Each real file once."""

    train: Files
    validation: Files
    sets: LabelSets


_known: list[tuple[Paths, Paths | None, Linked | None]] = []
"""The last folder, as the very objects that its listing holds: a form asks again at every key."""


def linked(classes: Sequence[str], train: Paths, validation: Paths | None) -> Linked | None:
    """Return the folder's real files with their sets of classes; None where each is in one class."""
    if not (_known and _known[0][0] is train and _known[0][1] is validation):
        _known[:] = [(train, validation, _linked(classes, train, validation))]
    return _known[0][2]


def _linked(classes: Sequence[str], train: Paths, validation: Paths | None) -> Linked | None:
    parts = [_real(train), _real(validation or ())]
    if all(len(members) == 1 for part in parts for _, members in part):
        return None
    texts = [label_sets.joined(classes[one] for one in members) for part in parts for _, members in part]
    _, sets, numbers = label_sets.numbered(texts, classes, "the folder")
    paths = [path for part in parts for path, _ in part]
    files = tuple(zip(paths, numbers, strict=True))
    return Linked(files[: len(parts[0])], files[len(parts[0]) :], sets)


def _real(paths: Paths) -> list[tuple[str, list[int]]]:
    """Return each real file by its first path, and its classes."""
    found: dict[object, tuple[str, list[int]]] = {}
    for number, of_class in enumerate(paths):
        for path in of_class:
            try:
                status = os.stat(path)
                key: object = (status.st_dev, status.st_ino)
            except OSError:
                key = path
            members = found.setdefault(key, (path, []))[1]
            if number not in members:
                members.append(number)
    return list(found.values())
