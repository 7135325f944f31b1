"""Load a folder of images: every file decoded once, by several threads, and kept as uint8.

Where that would take too much of the memory, images are decoded when they are needed (streaming.py).

What can't be read is left out, counted and named; nothing is left out silently.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from functools import lru_cache
from typing import Any, NamedTuple

import torch

from cvtui.engine.data.decode import Unreadable, look, shown
from cvtui.engine.data.decoded_cache import WORTH, DecodedCache
from cvtui.engine.data.depth import ValueRange
from cvtui.engine.data.file_decoding import DecodedFiles, Pixels, decode_files, shared_memory
from cvtui.engine.data.filling import LARGE, Filling, stats_note
from cvtui.engine.data.images import ChannelStats, MeasuredImages, OnProgress, Part, Split
from cvtui.engine.data.names import NamePair, Names
from cvtui.engine.data.pixel_store import DECODED, DEEP, WRONG, PixelStore
from cvtui.engine.data.streaming import Streamed, sample_places
from cvtui.engine.runtime import stop_asked
from cvtui.errors import RequestError
from cvtui.recipe.datasets.data_facts import parse_size
from cvtui.recipe.datasets.folder_listing import Listing
from cvtui.recipe.datasets.folder_typed import path_of, split_of
from cvtui.recipe.datasets.image_folder import listing, several_of
from cvtui.recipe.datasets.packed import holds_packed
from cvtui.recipe.free_memory import free_memory
from cvtui.recipe.recipe import Recipe

MEMORY_SHARE = 0.25
"""Of the memory that is free: sets that would take more of it stream."""
NAMED = 5
"""Files that a note names; the others it counts."""
MOST_WRONG = 0.05
"""Of a large set's sample: where more can't be read, all files are decoded before the first step."""
TELL_EVERY = 0.1
"""Of all files: after so many more are decoded it is told."""


class Files(NamedTuple):
    """Some image files and their labels."""

    paths: tuple[str, ...]
    labels: tuple[int, ...]


@lru_cache(maxsize=2)
def _read(found: Listing, size: str, progress: ReadingProgress, bits: int = 0, cache: str = "auto") -> Split:
    listed = tuple(path for path, _ in found.train), tuple(path for path, _ in found.validation)
    return read_listing(found, size, progress, bits, cache)._replace(files=listed)


def read_listing(found: Listing, size: str, progress: ReadingProgress, bits: int = 0, cache: str = "auto") -> Split:
    """Read the listed files; `notes` say what was left out. RequestError where too little is left.

    bits, cache: as in the recipe.
    """
    shape = parse_size(size)
    files = [*found.train, *found.validation]
    if len(files) >= LARGE and not bits and (begun := _large(found, shape, cache, progress)) is not None:
        return begun
    streams = _streams(len(files), shape)
    decoded = _decoded([path for path, _ in files], shape, bits, cache, streams, progress)
    _check_classes(found, decoded)
    bad = [(files[number][0], words) for number, words in sorted(decoded.wrong.items())]
    parts, good = [], []
    for start, stop in ((0, len(found.train)), (len(found.train), len(files))):
        parts.append(_part(files, decoded, start, stop, shape, found.classes))
        good.append(Names.of_files([files[number][0] for number in _readable(decoded, start, stop)]))
    notes = tuple(filter(None, [*_notes(found, bad, streams), decoded.note]))
    named = NamePair(good[0], good[1])
    return Split(parts[0], parts[1], notes, found.classes, named, tuple(bad), found.label_sets, depth=decoded.depth)


def _streams(count: int, shape: tuple[int, int]) -> bool:
    """Return True if so many images would take too much of the memory."""
    return count * shape[0] * shape[1] * 3 > MEMORY_SHARE * free_memory()


def _large(found: Listing, shape: tuple[int, int], cache: str, progress: ReadingProgress) -> Split | None:
    """Return a large set that is decoded as it is trained on; None where its sample says that all must be seen first.

    That is: pictures of more than 8 bits, whose one scale follows from all of them, or many that can't be read.
    """
    files = [*found.train, *found.validation]
    paths, labels = [path for path, _ in files], torch.tensor([label for _, label in files], dtype=torch.int64)
    count, sample = len(found.train), sample_places(len(found.train))
    store: PixelStore | None = None
    parts: list[Streamed] = []
    if _streams(len(files), shape):
        for some in (slice(count), slice(count, None)):
            parts.append(Streamed(paths[some], labels[some], shape, found.classes, None))
        rows = [_looked(paths[place], shape) for place in sample]
    else:
        kept = None if cache == "off" or holds_packed(paths) else DecodedCache(paths, shape, 0, alone=True)
        store = PixelStore(paths, shape, kept)
        held = range(count, len(files))
        halves: tuple[tuple[range, Sequence[int]], ...] = ((range(count), held), (held, ()))
        for numbers, later in halves:
            part = torch.arange(numbers.start, numbers.stop)
            parts.append(Filling(store, part, labels[part], found.classes, later=later))
        store.begin_with(sample)
        store.ensure(sample)
        rows = store.state[sample].tolist()
    if DEEP in rows or rows.count(WRONG) > MOST_WRONG * len(rows):
        if store is not None:
            store.close()
        return None
    if store is not None:
        how = (
            f"{len(paths):,} decoded images are taken from {kept.folder.parent} (--no-cache decodes them)"
            if kept is not None and store.from_cache
            else f"{len(paths):,} images are decoded while the training runs, in the order of its first epoch"
        )
        progress.tell("; ".join(filter(None, [how, store.note])))
    notes = [*_notes(found, [], store is None), stats_note(count, len(sample))]
    named = NamePair(Names.of_files(paths[:count]), Names.of_files(paths[count:]))
    return Split(parts[0], parts[1], tuple(filter(None, notes)), found.classes, named, (), found.label_sets)


def _looked(path: str, shape: tuple[int, int]) -> int:
    """Decode one file; return its state."""
    try:
        return DEEP if isinstance(look(path, shape), ValueRange) else DECODED
    except Unreadable:
        return WRONG


def _decoded(
    paths: list[str], shape: tuple[int, int], bits: int, cache: str, streams: bool, progress: ReadingProgress
) -> DecodedFiles:
    """Decode the files, or take them from the cache folder."""
    files = not holds_packed(paths)  # of others the cache sees no change
    keeps = files and (cache == "on" or (cache == "auto" and len(paths) >= WORTH))
    kept = DecodedCache(paths, shape, bits) if keeps else None
    if kept is not None and (before := kept.load(pixels=not streams)) is not None:
        progress.tell(f"{len(paths):,} decoded images are taken from {kept.folder.parent} (--no-cache decodes them)")
        return before

    def allocate(size: tuple[int, ...], dtype: Any) -> Pixels:
        nonlocal kept
        if kept is not None:
            try:
                return kept.allocate(size, dtype)
            except OSError as error:
                progress.tell(f"the decoded images are not kept for the next start: {error.strerror or error}")
                kept.drop()
                kept = None
        return shared_memory(size, dtype)

    progress.begin(len(paths), "looking through" if streams else "decoding")
    try:
        found = decode_files(paths, shape, None if streams else allocate, bits, progress.step)
        if kept is not None:
            kept.save(found)
        return found
    finally:
        if kept is not None:
            kept.drop()


def read(recipe: Recipe, on_progress: OnProgress | None = None) -> Split:
    """Read the recipe's folder; `notes` say what was left out. RequestError where too little is left."""
    found = listing(
        path_of(recipe.data), recipe.val_share, recipe.seed, split=split_of(recipe.data), only=recipe.only,
        several=several_of(recipe),
    )  # fmt: skip
    return _read(found, recipe.size.lower(), ReadingProgress(on_progress), recipe.bits, recipe.cache)


def _check_classes(found: Listing, decoded: DecodedFiles) -> None:
    """RequestError for a class of which no file could be read, though there are some."""
    start = 0
    for half, files in (("train", found.train), ("validation", found.validation)):
        there = {label for number, (_, label) in enumerate(files, start) if number not in decoded.wrong}
        lost = sorted({label for _, label in files} - there)
        for label in lost[:1]:
            numbers = [number for number, (_, other) in enumerate(files, start) if other == label]
            s = "s" if len(numbers) > 1 else ""
            if found.label_sets:
                break
            raise RequestError(
                f"data: none of the {len(numbers):,} {half} file{s} of the class {found.classes[label]!r} can be read",
                hint=f"the first: {shown(files[numbers[0] - start][0])} ({decoded.wrong[numbers[0]]})",
            )
        start += len(files)


def _readable(decoded: DecodedFiles, start: int, stop: int) -> list[int]:
    return [number for number in range(start, stop) if number not in decoded.wrong]


def _part(
    files: Sequence[tuple[str, int]],
    decoded: DecodedFiles,
    start: int,
    stop: int,
    shape: tuple[int, int],
    classes: tuple[str, ...],
) -> Part:
    """Return the part of the files from `start` up to `stop`."""
    good = _readable(decoded, start, stop)
    labels = torch.tensor([files[number][1] for number in good], dtype=torch.int64)
    height_width = shape[0] * shape[1]
    stats = ChannelStats.of_sums(decoded.sums[good].sum(0), height_width * len(good))
    if decoded.pixels is None:
        paths = [files[number][0] for number in good]
        return Streamed(paths, labels, shape, classes, stats, depth=decoded.depth, sums=decoded.sums[good])
    pixels = decoded.pixels[start:stop] if len(good) == stop - start else decoded.pixels[good]
    return MeasuredImages(torch.from_numpy(pixels), labels).measured(stats)


class ReadingProgress:
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

    def tell(self, text: str) -> None:
        if self._on_progress is not None:
            self._on_progress(text)

    def step(self, count: int = 1) -> None:
        stop_asked.look()
        with self._lock:
            self._done += count
            due = self._done - self._told >= max(200, TELL_EVERY * self._all)
            if due:
                self._told = self._done
        if due and self._on_progress is not None:
            self._on_progress(f"{self._verb} images: {self._done:,} of {self._all:,} ({self._done / self._all:.0%})")

    def __eq__(self, other: object) -> bool:
        return isinstance(other, ReadingProgress)

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
    return notes
