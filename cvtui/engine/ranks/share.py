"""Cut each batch of an epoch over the ranks: rank r has images r, r + world, r + 2 world … of the batch."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain, groupby
from typing import NamedTuple

import torch
from torch import Tensor, nn

from cvtui.engine.train.state import TrainingState


class RankBatch(NamedTuple):
    """One rank's share of a batch."""

    pixels: Tensor
    """Of its images; of the whole batch where batches are mixed."""
    labels: Tensor
    """Of the same images."""
    rows: Tensor
    """Its images' numbers within the batch, with repeated ones at the end where it has too few; int64, on the CPU."""
    own: int
    """How many of its images count: the repeated ones don't. 0 in a batch with fewer images than ranks."""
    images: int
    """Images of the whole batch."""
    all_labels: Tensor | None
    """Of the whole batch, where the loss weights classes."""


def least_images(model: nn.Module) -> int:
    """Return how many images a forward pass takes at least: a batch norm of one value a channel needs two."""
    return 2 if any(isinstance(one, nn.modules.batchnorm._BatchNorm) for one in model.modules()) else 1


def rows_of(count: int, rank: int, world: int, least: int) -> tuple[Tensor, int]:
    """Return the places of a rank's images in a batch of `count`, filled up to `least`, and how many are its own."""
    rows = torch.arange(count)[rank::world]
    own = len(rows)
    if own < least:
        rows = torch.cat([rows, torch.arange(least - own) % count])
    return rows, own


def numbers_of_batches(training: TrainingState, epoch: int, first: int) -> list[Tensor]:
    """Return the numbers of the images of each batch of an epoch (from 1), from batch `first` on; on the CPU."""
    size = training.recipe.step_images
    found = list(torch.split(training.order(epoch)[first * size :], size))
    if training.checked.joins and len(found[-1]) == 1:
        last = found.pop()
        if found:
            found[-1] = torch.cat([found[-1], last])
    return [numbers for numbers in found if len(numbers)]


def rank_batches(
    training: TrainingState, epoch: int, first: int, rank: int, world: int, least: int
) -> Iterator[RankBatch]:
    """Yield a rank's shares of the batches of an epoch (from 1), without the `first` ones."""
    whole, weighted = bool(training.mix), training.recipe.balance == "weights"
    numbers = numbers_of_batches(training, epoch, first)
    shares = [rows_of(len(one), rank, world, least) for one in numbers]
    read = [one if whole else one[rows] for one, (rows, _) in zip(numbers, shares, strict=True)]
    images = training.data.train.in_epoch(epoch)
    labels = training.data.train.labels
    streams = (images.stream(torch.cat(same), length) for length, same in ((n, list(g)) for n, g in groupby(read, len)))
    for (pixels, own_labels), (rows, own), one in zip(chain.from_iterable(streams), shares, numbers, strict=True):
        all_labels = labels[one.to(labels.device)] if weighted else None
        yield RankBatch(pixels, own_labels, rows, own, len(one), all_labels)
