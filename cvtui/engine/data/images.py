"""Images and labels of a data set as tensors, and the statistics of their channels."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple, Protocol

import numpy as np
import torch
from torch import Tensor

from cvtui.engine.data.depth import Depth
from cvtui.engine.data.names import NamePair, numbered
from cvtui.recipe.datasets.label_sets import LabelSets

GATHERED_BYTES = 1 << 17
"""Of pixels that are gathered at once, where a batch is smaller."""


class Images(NamedTuple):
    """One part of a data set, resident."""

    pixels: Tensor
    """N x H x W x C: the order in memory that PyTorch calls channels_last. (Points: float32, N x features.)

    uint8; uint16 (65535 is white) where images have more than 8 bits; float32 of floats that 8 bits would blur.
    """
    labels: Tensor
    """int64, N."""

    @property
    def size(self) -> int:
        """Number of images, N; a tuple's own len() is 2."""
        return len(self.labels)

    @property
    def bytes(self) -> int:
        """Of memory that it holds."""
        return self.pixels.nbytes + self.labels.nbytes

    @property
    def are_pictures(self) -> bool:
        """True for pictures, False for points on a plane."""
        return self.pixels.dim() == 4

    def to(self, device: torch.device) -> Images:
        return Images(self.pixels.to(device), self.labels.to(device))

    def batch(self, index: Tensor) -> Images:
        """Return the images of these numbers, in this order."""
        pixels = self.pixels
        if pixels.dtype == torch.uint16:  # which few of PyTorch's kernels know: moved as int16, bit for bit
            return Images(pixels.view(torch.int16)[index].view(torch.uint16), self.labels[index])
        return Images(pixels.index_select(0, index), self.labels.index_select(0, index))

    def part(self, start: int, stop: int) -> Images:
        """Return the images from `start` up to `stop`."""
        return Images(self.pixels[start:stop], self.labels[start:stop])

    def in_epoch(self, _epoch: int) -> Images:
        """Return the images as this epoch shows them: these."""
        return self

    def in_order(self, size: int) -> Iterator[Images]:
        """Yield all images in batches, in their order."""
        return (self.part(start, start + size) for start in range(0, self.size, size))

    def stream(self, order: Tensor, size: int) -> Iterator[Images]:
        """Yield batches in this order, the last one smaller.

        Small ones are gathered some at a time and handed out as views: on a small net, which finds nothing in the
        processor's caches between two steps, 27 µs a step are 7.
        """
        order = order.to(self.labels.device)
        at_once = size * max(1, GATHERED_BYTES * self.size // max(1, self.pixels.nbytes * size))
        for start in range(0, len(order), at_once):
            gathered = self.batch(order[start : start + at_once])
            yield from map(Images, torch.split(gathered.pixels, size), torch.split(gathered.labels, size))


class Part(Protocol):
    """One part of a data set, wherever its images lie: `Images`, or those that come from files as they are needed."""

    @property
    def labels(self) -> Tensor: ...
    @property
    def size(self) -> int: ...
    @property
    def bytes(self) -> int: ...
    @property
    def are_pictures(self) -> bool: ...
    def to(self, device: torch.device) -> Part: ...
    def batch(self, index: Tensor) -> Images: ...
    def part(self, start: int, stop: int) -> Images: ...
    def in_epoch(self, epoch: int, /) -> Part: ...
    def in_order(self, size: int) -> Iterator[Images]: ...
    def stream(self, order: Tensor, size: int) -> Iterator[Images]: ...


class Split(NamedTuple):
    """A whole data set."""

    train: Part
    validation: Part
    notes: tuple[str, ...] = ()
    """What its reader has to tell: files left out, labels changed."""
    classes: tuple[str, ...] = ()
    """Their names, by label."""
    named: NamePair | None = None
    """Where each image lies; None: by number."""
    unreadable: tuple[tuple[str, str], ...] = ()
    """(path, what is wrong with it) of the files that were left out."""
    label_sets: LabelSets = ()
    """Where pictures are in several classes: the classes of each label."""
    files: tuple[tuple[str, ...], tuple[str, ...]] = ((), ())
    """Of a folder: all that were listed for either part, before any selection, whether they can be read or not."""
    depth: Depth | None = None
    """Scale of its files with more than 8 bits a value, where there are some."""

    @property
    def names(self) -> NamePair:
        """The name of each image of either part: a path, or a number."""
        return self.named or numbered(self.train.size, self.validation.size)

    def to(self, device: torch.device) -> Split:
        return self._replace(train=self.train.to(device), validation=self.validation.to(device))

    @property
    def bytes(self) -> int:
        return self.train.bytes + self.validation.bytes


OnProgress = Callable[[str], None]
"""Called with a line about what is being done."""


class ChannelStats(NamedTuple):
    """Of the training images, per channel, in the pixels' unit: 0..255, 0..65535 or 0..1 (of points, per feature)."""

    mean: list[float]
    std: list[float]

    @classmethod
    def of_sums(cls, sums: np.ndarray | Sequence[Tensor], count: int) -> ChannelStats:
        """From the sums of the values and of their squares (2 x C, whole numbers) over `count` pixels."""
        total, squares = (torch.as_tensor(one, dtype=torch.float64) for one in sums)
        mean = total / count
        return cls(mean.tolist(), (squares / count - mean.square()).clamp(min=0).sqrt().tolist())


class MeasuredImages(Images):
    """Images whose statistics are known: they were taken while the files were decoded."""

    stats: ChannelStats

    def measured(self, stats: ChannelStats) -> MeasuredImages:
        self.stats = stats
        return self


def channel_stats(images: Part) -> ChannelStats:
    """Mean and (population) standard deviation of each channel: exact, since whole numbers add up exactly."""
    known = getattr(images, "stats", None)  # what streams was looked at once already
    if isinstance(known, ChannelStats):
        return known
    total = squares = torch.zeros(1, dtype=torch.float64)
    count = 0
    for start in range(0, images.size, 512):
        pixels = images.part(start, start + 512).pixels.cpu()
        values = pixels.reshape(-1, pixels.shape[-1]).double()
        total = total + values.sum(0)
        squares = squares + values.square().sum(0)
        count += len(values)
    return ChannelStats.of_sums((total, squares), count)


def as_images(pixels: np.ndarray, labels: np.ndarray) -> Images:
    """From arrays: pixels N x H x W x C, labels N."""
    return Images(torch.from_numpy(np.ascontiguousarray(pixels)), torch.from_numpy(labels.astype(np.int64)))
