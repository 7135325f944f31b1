"""Batches by index, and the order of an epoch."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain

import torch
from torch import Tensor

from cvtui.engine.data.images import Images, Part
from cvtui.engine.runtime.seeds import ORDER, generator


def batches(
    images: Part, size: int, seed: int, epoch: int, first: int = 0, *, joins: bool = False, balanced: bool = False
) -> Iterator[Images]:
    """Yield the batches of one epoch: every image once, in an order that follows from seed and epoch.

    The last is smaller, or, where it `joins`, the last two are one.

    `first` leaves out as many batches, to go on in the middle of an epoch.
    """
    order = order_of(images, seed, epoch, balanced)[first * size :]
    images = images.in_epoch(epoch)
    if not joins:
        return images.stream(order, size)
    if len(order) == 1:  # all its batches are done, this one as a part of the last
        return iter(())
    whole = max(0, len(order) // size - 1) * size
    return chain(images.stream(order[:whole], size), images.stream(order[whole:], 2 * size))


def index_batches(
    images: Part, size: int, seed: int, epoch: int, first: int = 0, *, joins: bool = False, balanced: bool = False
) -> Iterator[Tensor]:
    """Yield the numbers of the images that `batches` gives, on their device."""
    order = order_of(images, seed, epoch, balanced)[first * size :].to(images.labels.device)
    if joins and len(order) == 1:
        return iter(())
    whole = max(0, len(order) // size - 1) * size if joins else len(order)
    parts = (torch.split(part, length) for part, length in ((order[:whole], size), (order[whole:], 2 * size)))
    return (index for index in chain.from_iterable(parts) if len(index))


def order_of(images: Part, seed: int, epoch: int, balanced: bool) -> Tensor:
    """Return the numbers of the images that an epoch (from 1) takes, in order; int64, on the CPU."""
    if balanced:
        return balanced_order(images.labels, seed, epoch)
    return epoch_order(images.size, seed, epoch)


def balanced_order(labels: Tensor, seed: int, epoch: int) -> Tensor:
    """Draw as many images as there are, with replacement: every class that has images equally likely, then one of them.

    (torch.multinomial, which WeightedRandomSampler draws by, takes at most 2^24 images.)
    """
    random, labels = generator(seed, ORDER, epoch), labels.cpu()
    counts = torch.bincount(labels)
    present = counts.nonzero().flatten()
    first = counts.cumsum(0) - counts
    by_class = labels.argsort(stable=True)
    chosen = present[torch.randint(len(present), (len(labels),), generator=random)]
    place = (torch.rand(len(labels), generator=random, dtype=torch.float64) * counts[chosen]).long()
    return by_class[first[chosen] + place]


def epoch_order(count: int, seed: int, epoch: int) -> Tensor:
    """Return the numbers 0 … count − 1 in the order in which an epoch (from 1) takes them; int64, on the CPU."""
    return torch.randperm(count, generator=generator(seed, ORDER, epoch))
