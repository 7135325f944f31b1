"""Items of a user's dataset that are read anew in every epoch, by the workers of a DataLoader: its transforms live.

Every item is read with random numbers that follow from seed, epoch and item, so a resumed run sees the same images.
"""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.utils.data import Dataset

from cvtui.engine.data.batch_workers import LOOK_EVERY, read_ahead
from cvtui.engine.data.images import ChannelStats, Images, channel_stats
from cvtui.engine.data.labels import Label
from cvtui.engine.data.missing_files import ImagesGone
from cvtui.engine.data.random_state import Generators, item_seed, preserved
from cvtui.engine.data.user_items import BadItem, Format, read_item
from cvtui.engine.runtime import (
    forks,  # noqa: F401  # the loader's workers are forked beside threads that import
    stop_asked,
)
from cvtui.engine.runtime.seeds import ITEMS, stream_seed
from cvtui.runlog.worker_process import usable_cores
from cvtui.text import error_line

WORTH_WORKERS = 0.25
"""Seconds that a pass takes in one process: below, starting workers takes longer than they save."""
SEEN, SEEN_BYTES = 2000, 64 << 20
"""Images that are kept of the first reading, at most: for the channels' statistics and the doctor's checks."""


class Source(NamedTuple):
    """A user's dataset and how it is read."""

    items: Any
    """Its Dataset."""
    text: str
    """Of the recipe, for errors."""
    part: int
    """0: to train on, 1: for validation."""
    generators: Generators
    seed: int
    """Of the run."""
    labels: list[Label]
    """Of each item, as it was read first."""

    def base(self, epoch: int) -> int:
        """Return the seed that an epoch's items have theirs from."""
        return stream_seed(self.seed, ITEMS, 2 * epoch + self.part)


class _Reading(Dataset[Tensor | str]):
    """Items as pixels; what is wrong with one that can't be read (any more)."""

    def __init__(self, source: Source, shape: Format, epoch: int) -> None:
        self.source, self.shape = source, shape
        self.base = source.base(epoch)

    def __getitem__(self, number: int) -> Tensor | str:
        self.source.generators.seed(item_seed(self.base, number))
        try:
            picture, label = read_item(self.source.items[number], number)
            if label != self.source.labels[number]:
                return label_changed(number, self.source.labels[number], label)
            return self.shape.tensor(picture)
        except BadItem as error:
            words = str(error)
            return words if words.startswith(("item", "the ")) else f"the image of item {number} {words}"
        except (Exception, SystemExit) as error:  # the user's own code
            return f"reading item {number} raised {error_line(error)}"


def label_changed(number: int, first: Label, now: Label) -> str:
    return f"the label of item {number} changes from reading to reading: {first!r}, then {now!r}; --cache draws it once"


def _collated(images: Sequence[Tensor | str], join: Callable[[list[Tensor]], Tensor] = torch.stack) -> Tensor | str:
    """Join images, or return what is wrong with the first that can't be read."""
    wrong = next((image for image in images if isinstance(image, str)), None)
    return wrong if wrong is not None else join([image for image in images if isinstance(image, Tensor)])


class LiveImages:
    """One part of a data set whose items are read when they are needed; see `cvtui.engine.data.images.Part`."""

    def __init__(
        self,
        source: Source,
        shape: Format,
        labels: Tensor,
        numbers: Tensor,
        *,
        seconds: float = 0.0,
        seen: Mapping[int, Tensor] | None = None,
        stats: ChannelStats | None = None,
        device: torch.device | None = None,
        epoch: int = 0,
    ) -> None:
        self.source, self.shape = source, shape
        self.labels = labels
        self.numbers = numbers
        """Of each image: the number of its item in the dataset."""
        self.seconds = seconds
        """That an item took when it was read first."""
        self.seen = seen or {}
        """Some images as they were read first, by the number of the item."""
        self._stats = stats
        self.device = device or torch.device("cpu")
        self.epoch = epoch

    @property
    def size(self) -> int:
        return len(self.labels)

    @property
    def bytes(self) -> int:
        return self.labels.nbytes + self.numbers.nbytes

    @property
    def are_pictures(self) -> bool:
        return len(self.shape.shape) == 3

    @property
    def stats(self) -> ChannelStats:
        """Of the images that were kept when they were read first."""
        if self._stats is None:
            self._stats = channel_stats(self.sample())
        return self._stats

    def sample(self) -> Images:
        """Return images as they were read first, at even distances: nothing is read for it."""
        places = [place for place, number in enumerate(self.numbers.tolist()) if number in self.seen]
        if not places:
            return self.in_epoch(0).part(0, 64)
        pixels = torch.stack([self.seen[number] for number in self.numbers[places].tolist()])
        return Images(pixels, self.labels[places])

    def _again(self, **changes: Any) -> LiveImages:
        kept = {"seconds": self.seconds, "seen": self.seen, "stats": self._stats, "device": self.device,
                "epoch": self.epoch}  # fmt: skip
        labels, numbers = changes.pop("labels", self.labels), changes.pop("numbers", self.numbers)
        return LiveImages(self.source, self.shape, labels, numbers, **{**kept, **changes})

    def to(self, device: torch.device) -> LiveImages:
        return self._again(device=device)

    def in_epoch(self, epoch: int) -> LiveImages:
        """Return the images as this epoch (from 1) draws them; 0: as they were when the run began."""
        return self._again(epoch=epoch)

    def chosen(self, places: Tensor, labels: Tensor) -> LiveImages:
        """Return the images at `places`, with these labels; the statistics are theirs."""
        return self._again(numbers=self.numbers[places], labels=labels, stats=None)

    def batch(self, index: Tensor) -> Images:
        return next(self._read([index.tolist()]))

    def part(self, start: int, stop: int) -> Images:
        return self.batch(torch.arange(start, min(stop, self.size)))

    def stream(self, order: Tensor, size: int) -> Iterator[Images]:
        """Batches in this order; workers read the next ones while one is trained on. ImagesGone."""
        return self._read(_pieces(order.tolist(), size))

    def in_order(self, size: int) -> Iterator[Images]:
        """Yield all images in batches, in their order."""
        return self.stream(torch.arange(self.size), size)

    def _read(self, places: list[list[int]]) -> Iterator[Images]:
        numbers = [self.numbers[some].tolist() for some in places]
        reading = _Reading(self.source, self.shape, self.epoch)
        count = sum(map(len, numbers))
        # Beside the main thread's dropout no other thread may touch the generators.
        apart = self.seconds * count > WORTH_WORKERS or threading.current_thread() is not threading.main_thread()
        batches = self._by_workers(reading, numbers) if apart else _here(reading, numbers)
        for pixels, some in zip(batches, places, strict=True):
            if isinstance(pixels, str):
                raise ImagesGone(f"data: {self.source.text}: {pixels}")
            yield Images(pixels, self.labels[some]).to(self.device)

    def _by_workers(self, reading: _Reading, numbers: list[list[int]]) -> Iterator[Tensor | str]:
        workers = max(1, usable_cores() - 1)
        single = len(numbers) == 1
        pieces = _pieces(numbers[0], -(-len(numbers[0]) // workers)) if single else numbers
        # A user's transforms may be functions without a name, which only a forked process has.
        context = "fork" if sys.platform == "linux" else None
        read = read_ahead(reading, pieces, min(len(pieces), workers), _collated, context)
        if single:
            yield _collated(list(read), torch.cat)
        else:
            yield from read


def _pieces(numbers: list[int], size: int) -> list[list[int]]:
    return [numbers[start : start + size] for start in range(0, len(numbers), size)]


def _here(reading: _Reading, numbers: list[list[int]]) -> Iterator[Tensor | str]:
    """Read in this process, whose own random numbers stay as they were."""
    for some in numbers:
        images: list[Tensor | str] = []
        while len(images) < len(some):
            with preserved():
                until = time.monotonic() + LOOK_EVERY
                for number in some[len(images) :]:
                    images.append(reading[number])
                    if time.monotonic() > until:
                        break
            stop_asked.look()  # where the generators are the run's own: a checkpoint may be saved
        yield _collated(images)
