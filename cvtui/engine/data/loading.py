"""Images and labels as tensors that live on the training device, and batches cut from them by index.

Pixels stay uint8 (a quarter of the memory, and of the way to a GPU) until a batch is preprocessed. There is no
DataLoader: 64 images of CIFAR size are gathered in some 50 µs, less than its queue costs. (A folder that is larger
than the memory does stream through one: see streaming.py.)
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import lru_cache
from itertools import chain
from typing import NamedTuple, Protocol

import numpy as np
import torch
from torch import Tensor

from cvtui.assets import asset
from cvtui.engine.data.selection import Noise, select
from cvtui.engine.data.shapes import make_shapes
from cvtui.engine.runtime.seeds import ORDER, generator
from cvtui.errors import RequestError
from cvtui.recipe.choices import DATA
from cvtui.recipe.data_facts import folder_of, kind_of
from cvtui.recipe.recipe import Recipe

GATHERED_BYTES = 1 << 17
"""Of pixels that are gathered at once, where a batch is smaller."""


class Images(NamedTuple):
    """One part of a data set, resident."""

    pixels: Tensor
    """uint8, N x H x W x C: the order in memory that PyTorch calls channels_last. (Points: float32, N x features.)"""
    labels: Tensor
    """int64, N."""

    @property
    def size(self) -> int:
        """N. (A tuple's own len() is 2.)"""
        return len(self.labels)

    @property
    def bytes(self) -> int:
        """Of memory that it holds."""
        return self.pixels.nbytes + self.labels.nbytes

    @property
    def are_pictures(self) -> bool:
        """Or points on a plane?"""
        return self.pixels.dim() == 4

    def to(self, device: torch.device) -> Images:
        return Images(self.pixels.to(device), self.labels.to(device))

    def batch(self, index: Tensor) -> Images:
        """The images of these numbers, in this order."""
        return Images(self.pixels.index_select(0, index), self.labels.index_select(0, index))

    def part(self, start: int, stop: int) -> Images:
        """The images from `start` up to `stop`."""
        return Images(self.pixels[start:stop], self.labels[start:stop])

    def stream(self, order: Tensor, size: int) -> Iterator[Images]:
        """Batches in this order, the last one smaller. Small ones are gathered some at a time and handed out as views:
        on a small net, which finds nothing in the processor's caches between two steps, 27 µs a step are 7."""
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
    def stream(self, order: Tensor, size: int) -> Iterator[Images]: ...


class Split(NamedTuple):
    """A whole data set."""

    train: Part
    validation: Part
    notes: tuple[str, ...] = ()
    """What its reader has to tell: files left out, labels changed."""

    def to(self, device: torch.device) -> Split:
        return Split(self.train.to(device), self.validation.to(device), self.notes)

    @property
    def bytes(self) -> int:
        return self.train.bytes + self.validation.bytes


def digits() -> Split:
    """Handwritten digits, 8x8, one channel (UCI); the file says which are for validation (see assets/README.md)."""
    with np.load(asset("digits.npz"), allow_pickle=False) as arrays:
        return Split(
            as_images(arrays["train_images"][..., None], arrays["train_labels"]),
            as_images(arrays["validation_images"][..., None], arrays["validation_labels"]),
        )


def shapes() -> Split:
    """The drawn pictures of shapes.py. One fixed set: a recipe's seed is for the training, so that runs compare."""
    train = DATA["shapes"].train
    pixels, labels = make_shapes(train, DATA["shapes"].validation, seed=0)
    return Split(as_images(pixels[:train], labels[:train]), as_images(pixels[train:], labels[train:]))


SOURCES: dict[str, Callable[[], Split]] = {"digits": digits, "shapes": shapes}
"""Where the embedded sets of `cvtui.recipe.choices.DATA` come from, by the same names."""

Tell = Callable[[str], None]
"""Takes a line about what is going on, for whoever waits."""


def load(recipe: Recipe, tell: Tell | None = None) -> Split:
    """The recipe's data in the CPU's memory (or streaming from its files), with its selection made: a subset of
    classes, a limit, an imbalance, noise in the labels. RequestError when it can't be read."""
    size = recipe.size.lower()
    source = _source(recipe.data, recipe.data_dir, size, recipe.val_share, recipe.seed, tell)
    noise = Noise(recipe.label_noise, recipe.seed)
    return select(source, recipe.only, recipe.limit, recipe.imbalance, noise, recipe.data, recipe.seed)


def _source(name: str, data_dir: str, size: str, val_share: float, seed: int, tell: Tell | None) -> Split:
    folder = folder_of(name)
    if folder is not None:
        from cvtui.engine.data.image_folder import read_folder

        return read_folder(folder, size, val_share, seed, tell)
    if kind_of(name) == "callable":
        from cvtui.engine.data.user_dataset import read_callable

        return read_callable(name, size, val_share, seed)
    return _named(name, data_dir)


@lru_cache(maxsize=2)  # a warmed engine predicts many times and then trains
def _named(name: str, data_dir: str) -> Split:
    try:
        if kind_of(name) == "toy":
            from cvtui.engine.data.toy_set import read_toy

            return read_toy(name)
        if name in SOURCES:
            return SOURCES[name]()
        from cvtui.engine.data.torchvision_sets import read

        return read(name, data_dir)
    except (OSError, ValueError, KeyError) as error:
        raise RequestError(f"data: {name} can't be read: {error}") from error


def batches(images: Part, size: int, seed: int, epoch: int, first: int = 0, *, joins: bool = False) -> Iterator[Images]:
    """The batches of one epoch: every image once, in an order that follows from seed and epoch; the last is smaller,
    or, where it `joins`, the last two are one.

    `first` leaves out as many batches, to go on in the middle of an epoch.
    """
    order = epoch_order(images.size, seed, epoch)[first * size :]
    if not joins:
        return images.stream(order, size)
    if len(order) == 1:  # all its batches are done, this one as a part of the last
        return iter(())
    whole = max(0, len(order) // size - 1) * size
    return chain(images.stream(order[:whole], size), images.stream(order[whole:], 2 * size))


def epoch_order(count: int, seed: int, epoch: int) -> Tensor:
    """The numbers 0 … count − 1 in the order in which an epoch (from 1) takes them; int64, on the CPU."""
    return torch.randperm(count, generator=generator(seed, ORDER, epoch))


class ChannelStats(NamedTuple):
    """Of the training images, per channel, in 0..255 (of points, per feature)."""

    mean: list[float]
    std: list[float]


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
    mean = total / count
    return ChannelStats(mean.tolist(), (squares / count - mean.square()).clamp(min=0).sqrt().tolist())


def as_images(pixels: np.ndarray, labels: np.ndarray) -> Images:
    """From arrays: pixels N x H x W x C, labels N."""
    return Images(torch.from_numpy(np.ascontiguousarray(pixels)), torch.from_numpy(labels.astype(np.int64)))
