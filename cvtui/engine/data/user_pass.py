"""One pass over all items of a user's dataset: labels, what its images have in common, and the images."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from typing import Any

import torch
from torch import Tensor

from cvtui.engine.data.image_folder import ReadingProgress
from cvtui.engine.data.images import Images
from cvtui.engine.data.live import SEEN, SEEN_BYTES, LiveImages, Source, label_changed
from cvtui.engine.data.random_state import item_seed
from cvtui.engine.data.user_items import BadItem, Format, Item, Picture, Summary, read_item
from cvtui.engine.runtime.stop_asked import look
from cvtui.errors import RequestError
from cvtui.text import error_line

LOOKED = 64
"""Items between two looks at the random numbers: a look takes as long as reading some items of a small set."""
TELL_SECONDS = 3.0
"""Between two messages on how far it is."""
TWICE = 8
"""Items that are read twice first: do they draw random numbers, or change without any generator that is known?"""


class Pass:
    """One pass over all items of a Dataset."""

    def __init__(
        self, source: Source, sides: tuple[int, int] | None, room: float, cache: bool, progress: ReadingProgress | None
    ) -> None:
        """Read them. RequestError for whatever is wrong with one.

        sides: height and width to bring them to, where they are asked for; room: bytes that its images may take, 0:
        none are kept; cache: they are kept whatever they take, as they were drawn once.
        """
        self.source = source
        self.summary = Summary()
        self.draws = False
        """Items draw random numbers."""
        self.unknown = False
        """Items change, and no generator that is known was drawn from."""
        self.kept: list[Picture] | None = []
        """None: they don't fit into the memory."""
        self._seen = _Seen(0)
        self.seconds = 0.0
        """That an item takes."""
        self._sides, self._room, self._cache, self._progress = sides, room, cache, progress
        count = self._count()
        self._read_twice(count)
        if not self._read_all(count):  # random numbers were drawn in its midst: once more, seeded item by item
            self._read_all(count)
        self.live = self.kept is None or (not cache and (self.draws or self.unknown))
        """The items are read anew in every epoch."""

    def part(self, shape: Format, labels: Tensor) -> Images | LiveImages:
        """Return the images in the set's format: those that were read, or those that will be. RequestError."""
        kept, self.kept = self.kept, None
        if not self.live:
            pixels = torch.stack(list(self._formatted(dict(enumerate(kept or [])), shape)))
            return Images(pixels.contiguous(), labels)
        pictures = self._seen.pictures
        seen = dict(zip(pictures, self._formatted(pictures, shape), strict=True))
        numbers = torch.arange(len(labels))
        return LiveImages(self.source, shape, labels, numbers, seconds=self.seconds, seen=seen)

    def _formatted(self, pictures: Mapping[int, Picture], shape: Format) -> Iterator[Tensor]:
        for number, picture in pictures.items():
            try:
                yield shape.tensor(picture)
            except BadItem as error:
                raise RequestError(f"data: {self.source.text}: the image of item {number} {error}") from None

    def _count(self) -> int:
        items, text = self.source.items, self.source.text
        try:
            count = len(items)
        except (Exception, SystemExit) as error:
            raise RequestError(
                f"data: {text}: len() of its {type(items).__name__} raised {error_line(error)}"
            ) from error
        if not count:
            raise RequestError(f"data: {text} gave a Dataset without items")
        if count == 1 and not self.source.part:
            raise RequestError(f"data: {text} gave a Dataset of one item; two classes of two images are the least")
        return count

    def _read_twice(self, count: int) -> None:
        generators = self.source.generators
        for number in sorted({round(place * (count - 1) / (TWICE - 1)) for place in range(TWICE)}):
            seen = []
            for seed in (1, 2):
                generators.seed(item_seed(seed, number))
                before = generators.state()
                seen.append(self._item(number))
                self.draws = self.draws or generators.state() != before
            self.unknown = self.unknown or not (self.draws or _same(*(item.picture.values for item in seen)))
            if seen[0].label != seen[1].label and not self._cache:
                words = label_changed(number, seen[0].label, seen[1].label)
                raise RequestError(f"data: {self.source.text}: {words}")

    def _read_all(self, count: int) -> bool:
        """Read all items; False if they draw random numbers and were not seeded for it."""
        generators, base = self.source.generators, self.source.base(0)
        labels = self.source.labels
        labels.clear()
        self.summary, self.kept, self._seen = Summary(), [], _Seen(count)
        began, held, before = time.perf_counter(), 0, None
        told = began
        for number in range(count):
            look()
            if self.draws:
                generators.seed(item_seed(base, number))
            elif number % LOOKED == 0:
                before = generators.state()
            picture, label = self._item(number)
            self._summarise(picture, number)
            picture = picture.scaled_to(self._sides)  # large ones would fill the memory
            labels.append(label)
            held += picture.values.nbytes
            if self._room:
                self._seen.add(number, picture)
            if held > self._room and not (self._cache and self._room):
                self.kept = None
            if self.kept is not None:
                self.kept.append(picture)
            if self._progress is not None and time.perf_counter() > told + TELL_SECONDS:
                told = time.perf_counter()
                self._progress.tell(f"reading items: {number + 1:,} of {count:,} ({(number + 1) / count:.0%})")
            last = number % LOOKED == LOOKED - 1 or number == count - 1
            if last and not self.draws and generators.state() != before:
                self.draws = True
                return False
        self.seconds = (time.perf_counter() - began) / count
        return True

    def _item(self, number: int) -> Item:
        text = self.source.text
        try:
            item = self.source.items[number]
        except (Exception, SystemExit) as error:  # the user's own code
            raise RequestError(f"data: {text}: reading item {number} raised {error_line(error)}") from error
        try:
            return read_item(item, number)
        except BadItem as error:
            raise RequestError(f"data: {text}: {error}") from None

    def _summarise(self, picture: Picture, number: int) -> None:
        try:
            self.summary.add(picture, number)
        except BadItem as error:
            raise RequestError(f"data: {self.source.text}: {error}") from None


class _Seen:
    """Some pictures at even distances, at most SEEN and about SEEN_BYTES."""

    def __init__(self, count: int) -> None:
        self.pictures: dict[int, Picture] = {}
        self._apart = max(1, -(-count // SEEN))
        self._bytes = 0

    def add(self, number: int, picture: Picture) -> None:
        """Keep the picture if its turn has come; where all are too large, every other one of those so far."""
        if number % self._apart:
            return
        self.pictures[number] = picture
        self._bytes += picture.values.nbytes
        if self._bytes > SEEN_BYTES and len(self.pictures) > 1:
            self._apart *= 2
            self.pictures = {key: one for key, one in self.pictures.items() if key % self._apart == 0}
            self._bytes = sum(one.values.nbytes for one in self.pictures.values())


def _same(one: Any, other: Any) -> bool:
    return one.shape == other.shape and torch.equal(one.nan_to_num(), other.nan_to_num())
