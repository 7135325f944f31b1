"""Batches by index, and the order of an epoch."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain

import torch
from torch import Tensor

from cvtui.engine.data.images import Images, Part
from cvtui.engine.runtime.seeds import ORDER, generator


def batches(images: Part, size: int, seed: int, epoch: int, first: int = 0, *, joins: bool = False) -> Iterator[Images]:
    """Yield the batches of one epoch: every image once, in an order that follows from seed and epoch.

    The last is smaller, or, where it `joins`, the last two are one.

    `first` leaves out as many batches, to go on in the middle of an epoch.
    """
    order = epoch_order(images.size, seed, epoch)[first * size :]
    images = images.in_epoch(epoch)
    if not joins:
        return images.stream(order, size)
    if len(order) == 1:  # all its batches are done, this one as a part of the last
        return iter(())
    whole = max(0, len(order) // size - 1) * size
    return chain(images.stream(order[:whole], size), images.stream(order[whole:], 2 * size))


def index_batches(
    images: Part, size: int, seed: int, epoch: int, first: int = 0, *, joins: bool = False
) -> Iterator[Tensor]:
    """Yield the numbers of the images that `batches` gives, on their device."""
    order = epoch_order(images.size, seed, epoch)[first * size :].to(images.labels.device)
    if joins and len(order) == 1:
        return iter(())
    whole = max(0, len(order) // size - 1) * size if joins else len(order)
    parts = (torch.split(part, length) for part, length in ((order[:whole], size), (order[whole:], 2 * size)))
    return (index for index in chain.from_iterable(parts) if len(index))


def epoch_order(count: int, seed: int, epoch: int) -> Tensor:
    """Return the numbers 0 … count − 1 in the order in which an epoch (from 1) takes them; int64, on the CPU."""
    return torch.randperm(count, generator=generator(seed, ORDER, epoch))
