"""Fingerprint of a training's data, for its checkpoints."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import Any

import torch

from cvtui.engine.data.filling import LARGE
from cvtui.engine.data.images import Split
from cvtui.recipe.datasets.facts import folder_of, place_of
from cvtui.recipe.datasets.fingerprint import fingerprint, hash_of_labels
from cvtui.recipe.datasets.label_sets import in_words
from cvtui.recipe.recipe import Recipe


class DataPrint:
    """Fingerprint of data as they were when they were read; of many files it is made in a thread (0.5 s of 100,000)."""

    def __init__(self, recipe: Recipe, classes: Sequence[str], data: Split) -> None:
        self._asked = recipe, tuple(classes), data
        self._value: dict[str, Any] | None = None
        self._thread: threading.Thread | None = None
        if sum(map(len, data.files)) >= LARGE:
            self._thread = threading.Thread(target=self._make, daemon=True)
            self._thread.start()
        else:
            self._make()

    def _make(self) -> None:
        self._value = _fingerprint(*self._asked)
        del self._asked  # the images

    def value(self) -> dict[str, Any]:
        """Return it, as plain values."""
        if self._thread is not None:
            self._thread.join()
            self._thread = None
        assert self._value is not None
        return self._value


def _fingerprint(recipe: Recipe, classes: tuple[str, ...], data: Split) -> dict[str, Any]:
    if data.label_sets:  # the sets that occur, in words: the numbers of images stay those of the parts
        classes = tuple(in_words(data.label_sets, classes))
    train, held_out = (torch.bincount(part.labels, minlength=len(classes)).tolist() for part in data[:2])
    folder = folder_of(recipe.data)
    if folder is not None:
        return fingerprint(classes, train, held_out, folder.absolute(), data.files, data.depth)
    found = fingerprint(classes, train, held_out, scale=data.depth)
    if place_of(recipe.data) is not None:
        for part, images, names in zip(("train", "validation"), data[:2], data.names, strict=True):
            found[f"{part}_files"] = hash_of_labels(names, images.labels.tolist())
    return found
