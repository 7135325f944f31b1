"""Images that stay in their files and are decoded when a batch needs them, by the workers of a DataLoader.

The order of an epoch, and so a run's losses, are those of the same images held in memory.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import Dataset

from cvtui.engine.data.batch_workers import read_ahead
from cvtui.engine.data.decode import Unreadable, decode
from cvtui.engine.data.depth import Depth
from cvtui.engine.data.images import ChannelStats, Images, channel_stats
from cvtui.engine.data.missing_files import MissingFiles
from cvtui.runlog.worker_process import usable_cores

SAMPLE = 1024
"""Training images that the statistics of a large set's channels are taken of."""


class _Decoded(Dataset[Tensor | str]):
    """An image's pixels; what is wrong with it where it can't be read (any more)."""

    def __init__(self, paths: Sequence[str], shape: tuple[int, int], depth: Depth | None) -> None:
        self.paths = paths
        self.shape = shape
        self.depth = depth

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, number: int) -> Tensor | str:
        try:
            return torch.from_numpy(decode(self.paths[number], self.shape, self.depth).copy())
        except Unreadable as error:
            return str(error)


def _as_read(images: list[Tensor | str]) -> tuple[Tensor, dict[int, str]]:
    """(pixels of those that could be read, {place in the batch: what is wrong with it} of the others)."""
    read = [image for image in images if isinstance(image, Tensor)]
    wrong = {place: image for place, image in enumerate(images) if isinstance(image, str)}
    return torch.stack(read) if read else torch.empty(0, dtype=torch.uint8), wrong


def sample_places(count: int) -> list[int]:
    """Return the places of at most SAMPLE of so many images, at even distances."""
    some = min(SAMPLE, count)
    return [place * count // some for place in range(some)]


class Streamed:
    """One part of a data set whose images come from files; see `cvtui.engine.data.images.Part`.

    stats: None for a part of a large set, which nobody has looked through: they are taken of a sample, files that can't
    be read are among its images, and `settle` has to be called before it validates.
    """

    def __init__(
        self,
        paths: Sequence[str],
        labels: Tensor,
        shape: tuple[int, int],
        classes: tuple[str, ...],
        stats: tuple[list[float], list[float]] | ChannelStats | None,
        device: torch.device | None = None,
        gone: MissingFiles | None = None,
        depth: Depth | None = None,
        sums: NDArray[np.int64] | None = None,
    ) -> None:
        self.paths = list(paths)
        self.labels = labels
        self.shape = shape
        self.depth = depth
        """Scale of the set's images with more than 8 bits a value, where there are some."""
        self.sums = sums
        """N x 2 x 3, where they are known: of each image's pixels and of their squares, per channel."""
        self.classes = classes
        self.known_stats = None if stats is None else ChannelStats(*stats)
        self.looked_through = stats is not None
        """Each of its files could be read."""
        self.device = device or torch.device("cpu")
        words = ("can't be read",) if stats is None else ()
        self.gone = MissingFiles(len(paths), *words) if gone is None else gone

    @property
    def stats(self) -> ChannelStats:
        """Of the images that were looked through, or of a sample of these."""
        return self.known_stats or self._sample_stats

    @cached_property
    def _sample_stats(self) -> ChannelStats:
        pixels, _ = self.read(sample_places(self.size))
        return channel_stats(Images(pixels, torch.zeros(len(pixels), dtype=torch.int64)))

    @property
    def size(self) -> int:
        return len(self.paths)

    @property
    def bytes(self) -> int:
        return self.labels.nbytes

    @property
    def are_pictures(self) -> bool:
        return True

    def to(self, device: torch.device) -> Streamed:
        own = self.paths, self.labels, self.shape, self.classes, self.known_stats
        again = Streamed(*own, device, self.gone, self.depth, self.sums)
        self._hand_sample_to(again)
        return again

    def _hand_sample_to(self, other: Streamed) -> None:
        """Spare another view of the same images the reading of their sample."""
        if "_sample_stats" in self.__dict__:
            other.__dict__["_sample_stats"] = self._sample_stats

    def chosen(self, places: Tensor, labels: Tensor) -> Streamed:
        """Return the images at `places`, with these labels; the statistics are theirs."""
        paths, stats, sums = [self.paths[place] for place in places.tolist()], self.known_stats, None
        if self.sums is not None:
            sums = self.sums[places.numpy()]
            stats = ChannelStats.of_sums(sums.sum(0), self.shape[0] * self.shape[1] * len(paths))
        return Streamed(paths, labels, self.shape, self.classes, stats, self.device, depth=self.depth, sums=sums)

    def read(self, places: Sequence[int]) -> tuple[Tensor, dict[int, str]]:
        """Read the images at these places: pixels of those that can be read, and what is wrong with the others."""
        source = _Decoded(self.paths, self.shape, self.depth)
        with ThreadPoolExecutor(usable_cores()) as pool:
            return _as_read(list(pool.map(source.__getitem__, places)))

    def batch(self, index: Tensor) -> Images:
        places = index.tolist()
        return self._filled(*self.read(places), places)

    def part(self, start: int, stop: int) -> Images:
        return self.batch(torch.arange(start, min(stop, self.size)))

    def in_epoch(self, _epoch: int) -> Streamed:
        """Return the images as this epoch shows them: these."""
        return self

    def in_order(self, size: int) -> Iterator[Images]:
        """Yield all images in batches, in their order."""
        return self.stream(torch.arange(self.size), size)

    def stream(self, order: Tensor, size: int) -> Iterator[Images]:
        """Batches in this order; workers decode the next ones while one is trained on. ImagesGone."""
        places = [order[start : start + size].tolist() for start in range(0, len(order), size)]
        if not places:  # no workers for nothing
            return
        images = _Decoded(self.paths, self.shape, self.depth)
        read = read_ahead(images, places, max(1, usable_cores() - 1), _as_read)
        for (pixels, wrong), index in zip(read, places, strict=True):
            yield self._filled(pixels, wrong, index)

    def _filled(self, pixels: Tensor, wrong: dict[int, str], places: list[int]) -> Images:
        """Return a batch of its full size: missing images are replaced by others of it, with their labels.

        (A black picture with a label would be learnt.)
        """
        if wrong or self.gone:
            self.gone.note([self.paths[place] for place in places], wrong)
        if wrong:
            read = [place for number, place in enumerate(places) if number not in wrong]
            if not read:
                pixels, read = self._next_readable(places[0])
            order = torch.arange(len(places)) % len(read)
            pixels, places = pixels[order], [read[number] for number in order.tolist()]
        return Images(pixels, self.labels[places]).to(self.device)

    def _next_readable(self, place: int) -> tuple[Tensor, list[int]]:
        """Return the first image behind `place` that can be read. ImagesGone before all have been tried."""
        while True:
            place = (place + 1) % self.size
            pixels, wrong = self.read([place])
            if not wrong:
                return pixels, [place]
            self.gone.note([self.paths[place]], wrong)
