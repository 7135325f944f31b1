"""Load a folder of images: every file decoded once, by several threads, and kept as uint8.

Where that would take too much of the memory, images are decoded when they are needed (streaming.py).

What can't be read is left out, counted and named; nothing is left out silently.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from cvtui.engine.data.decode import Unreadable, decode, shown
from cvtui.engine.data.images import Images, OnProgress, Part, Split
from cvtui.engine.data.names import NamePair, Names
from cvtui.engine.data.streaming import Streamed
from cvtui.errors import RequestError
from cvtui.recipe.datasets.catalog import source_of
from cvtui.recipe.datasets.image_folder import Listing, listing, parse_size
from cvtui.recipe.memory_check import free_memory
from cvtui.recipe.recipe import Recipe
from cvtui.runlog.worker_process import usable_cores

MEMORY_SHARE = 0.25
"""Of the memory that is free: sets that would take more of it stream."""
NAMED = 5
"""Files that a note names; the others it counts."""
TELL_EVERY = 0.1
"""Of all files: after so many more are decoded it is told."""


class Files(NamedTuple):
    """Some image files and their labels."""

    paths: tuple[str, ...]
    labels: tuple[int, ...]


@lru_cache(maxsize=2)
def _read(path: Path, size: str, val_share: float, seed: int, progress: Progress) -> Split:
    return read_listing(listing(path, val_share, seed), size, progress)


def read_listing(found: Listing, size: str, progress: Progress) -> Split:
    """Read the listed files; `notes` say what was left out. RequestError where too little is left."""
    shape = parse_size(size)
    parts, bad = [], []
    good: list[Names] = []
    count = len(found.train) + len(found.validation)
    streams = count * shape[0] * shape[1] * 3 > MEMORY_SHARE * free_memory()
    progress.begin(count, "looking through" if streams else "decoding")
    for files in (found.train, found.validation):
        part, broken = _part(files, shape, found.classes, progress, streams)
        parts.append(part)
        bad += broken
        left_out = {path for path, _ in broken}
        good.append(Names.of_files([path for path, _ in files if path not in left_out]))
    notes = tuple(_notes(found, bad, streams))
    return Split(parts[0], parts[1], notes, found.classes, NamePair(good[0], good[1]), tuple(bad))


def read(recipe: Recipe, on_progress: OnProgress | None = None) -> Split:
    """Read the recipe's folder; `notes` say what was left out. RequestError where too little is left."""
    folder = source_of(recipe.data).folder(recipe.data)
    assert folder is not None
    return read_folder(folder, recipe.size.lower(), recipe.val_share, recipe.seed, on_progress)


def read_folder(path: Path, size: str, val_share: float, seed: int, on_progress: OnProgress | None = None) -> Split:
    """Read a folder of images as a split."""
    return _read(path, size, val_share, seed, Progress(on_progress))


def _part(
    files: Sequence[tuple[str, int]],
    shape: tuple[int, int],
    classes: tuple[str, ...],
    progress: Progress,
    streams: bool,
) -> tuple[Part, list[tuple[str, str]]]:
    """Decode all files; return the part and [(path, what is wrong with it)]."""
    high, wide = shape
    pixels = None if streams else np.empty((len(files), high, wide, 3), np.uint8)
    sums = ChannelSums()
    wrong: dict[int, str] = {}

    def work(number: int) -> None:
        try:
            image = decode(files[number][0], shape)
        except Unreadable as error:
            wrong[number] = str(error)
        else:
            if pixels is None:
                sums.add(image)
            else:
                pixels[number] = image
        progress.step()

    with ThreadPoolExecutor(usable_cores()) as pool:  # Pillow lets go of the interpreter while it decodes
        list(pool.map(work, range(len(files))))
    good = [number for number in range(len(files)) if number not in wrong]
    labels = torch.tensor([files[number][1] for number in good], dtype=torch.int64)
    missing = [name for label, name in enumerate(classes) if not (labels == label).any()]
    if missing:
        raise RequestError(f"data: no image of the class {missing[0]!r} can be read", hint="see the run's log")
    broken = [(files[number][0], words) for number, words in sorted(wrong.items())]
    if pixels is None:
        return Streamed([files[number][0] for number in good], labels, shape, classes, sums.stats()), broken
    return Images(torch.from_numpy(pixels if not wrong else pixels[good]), labels), broken


class ChannelSums:
    """Sums and squares of every channel, added up by many threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.total = np.zeros(3, np.int64)
        self.squares = np.zeros(3, np.int64)
        self.count = 0

    def add(self, image: NDArray[np.uint8]) -> None:
        values = image.reshape(-1, 3).astype(np.int64)
        total, squares = values.sum(0), np.square(values).sum(0)
        with self._lock:
            self.total += total
            self.squares += squares
            self.count += len(values)

    def stats(self) -> tuple[list[float], list[float]]:
        """Mean and std in 0..255."""
        mean = self.total / max(1, self.count)
        return mean.tolist(), np.sqrt(np.maximum(self.squares / max(1, self.count) - mean**2, 0)).tolist()


class Progress:
    """Says now and then how far it is; any two are equal, so that a cache of what was read does not mind them."""

    def __init__(self, on_progress: OnProgress | None) -> None:
        self._on_progress = on_progress
        self._lock = threading.Lock()
        self._all = self._done = self._told = 0
        self._verb = ""

    def begin(self, count: int, verb: str) -> None:
        self._all, self._verb = count, verb
        if self._on_progress is not None:
            self._on_progress(f"{verb} {count:,} images …")

    def step(self) -> None:
        with self._lock:
            self._done += 1
            due = self._done - self._told >= max(200, TELL_EVERY * self._all)
            if due:
                self._told = self._done
        if due and self._on_progress is not None:
            self._on_progress(f"{self._verb} images: {self._done:,} of {self._all:,} ({self._done / self._all:.0%})")

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Progress)

    def __hash__(self) -> int:
        return 0


def _notes(found: Listing, bad: list[tuple[str, str]], streams: bool) -> list[str]:
    notes = list(found.notes)
    if streams:
        notes.append("the images don't fit into the memory at once: they are decoded anew in every epoch")
    if bad:
        named = "; ".join(f"{shown(path)} ({words})" for path, words in bad[:NAMED])
        more = f"; and {len(bad) - NAMED:,} more" if len(bad) > NAMED else ""
        notes.append(f"left out {len(bad):,} file{'s' if len(bad) != 1 else ''} that can't be read: {named}{more}")
    if found.others:
        notes.append(f"passed over {found.others:,} files that are no images by their names, or links")
    return notes
