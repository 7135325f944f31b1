"""Images and labels as tensors that live on the training device, and batches cut from them by index.

Pixels stay uint8 (a quarter of the memory, and of the way to a GPU) until a batch is preprocessed. There is no
DataLoader: 64 images of CIFAR size are gathered in some 50 µs, less than its queue costs.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import lru_cache
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from cvtui.assets import asset
from cvtui.engine.seeds import ORDER, generator
from cvtui.engine.shapes import make_shapes
from cvtui.errors import RequestError
from cvtui.recipe.choices import DATA


class Images(NamedTuple):
    """One part of a data set."""

    pixels: Tensor
    """uint8, N x H x W x C: the order in memory that PyTorch calls channels_last."""
    labels: Tensor
    """int64, N."""

    @property
    def size(self) -> int:
        """N. (A tuple's own len() is 2.)"""
        return len(self.labels)

    def to(self, device: torch.device) -> Images:
        return Images(self.pixels.to(device), self.labels.to(device))

    def batch(self, index: Tensor) -> Images:
        """The images of these numbers, in this order."""
        return Images(self.pixels.index_select(0, index), self.labels.index_select(0, index))


class Split(NamedTuple):
    """A whole data set."""

    train: Images
    validation: Images

    def to(self, device: torch.device) -> Split:
        return Split(self.train.to(device), self.validation.to(device))

    @property
    def bytes(self) -> int:
        return sum(tensor.nbytes for images in self for tensor in images)


def digits() -> Split:
    """Handwritten digits, 8x8, one channel (UCI); the file says which are for validation (see assets/README.md)."""
    with np.load(asset("digits.npz"), allow_pickle=False) as arrays:
        return Split(
            _images(arrays["train_images"][..., None], arrays["train_labels"]),
            _images(arrays["validation_images"][..., None], arrays["validation_labels"]),
        )


def shapes() -> Split:
    """The drawn pictures of shapes.py. One fixed set: a recipe's seed is for the training, so that runs compare."""
    train = DATA["shapes"].train
    pixels, labels = make_shapes(train, DATA["shapes"].validation, seed=0)
    return Split(_images(pixels[:train], labels[:train]), _images(pixels[train:], labels[train:]))


SOURCES: dict[str, Callable[[], Split]] = {"digits": digits, "shapes": shapes}
"""Where the sets of `cvtui.recipe.choices.DATA` come from, by the same names."""


@lru_cache(maxsize=2)  # a warmed engine predicts many times and then trains
def load(name: str) -> Split:
    """A data set in the CPU's memory. RequestError when it can't be read."""
    try:
        return SOURCES[name]()
    except (OSError, ValueError, KeyError) as error:
        raise RequestError(f"data: {name} can't be read: {error}") from error


def batches(images: Images, size: int, seed: int, epoch: int, first: int = 0) -> Iterator[Images]:
    """The batches of one epoch: every image once, in an order that follows from seed and epoch; the last is smaller.

    `first` leaves out as many batches, to go on in the middle of an epoch.
    """
    order = epoch_order(images.size, seed, epoch).to(images.labels.device)
    for start in range(first * size, images.size, size):
        yield images.batch(order[start : start + size])


def epoch_order(count: int, seed: int, epoch: int) -> Tensor:
    """The numbers 0 … count − 1 in the order in which an epoch (from 1) takes them; int64, on the CPU."""
    return torch.randperm(count, generator=generator(seed, ORDER, epoch))


class ChannelStats(NamedTuple):
    """Of the training images, per channel, in 0..255."""

    mean: list[float]
    std: list[float]


def channel_stats(images: Images) -> ChannelStats:
    """Mean and (population) standard deviation of each channel: exact, since whole numbers add up exactly."""
    channels = images.pixels.shape[-1]
    total = torch.zeros(channels, dtype=torch.float64)
    squares = torch.zeros(channels, dtype=torch.float64)
    pixels = images.pixels.cpu()
    for start in range(0, len(pixels), 512):
        values = pixels[start : start + 512].reshape(-1, channels).double()
        total += values.sum(0)
        squares += values.square().sum(0)
    count = images.pixels.numel() // channels
    mean = total / count
    return ChannelStats(mean.tolist(), (squares / count - mean.square()).clamp(min=0).sqrt().tolist())


def _images(pixels: np.ndarray, labels: np.ndarray) -> Images:
    return Images(torch.from_numpy(np.ascontiguousarray(pixels)), torch.from_numpy(labels.astype(np.int64)))
