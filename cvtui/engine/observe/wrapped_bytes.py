"""Bytes that wrapped round: 128 was taken off in a type that has no numbers below 0, so dark pixels became light."""

from __future__ import annotations

import torch
from torch import Tensor

IMAGES, SIDE = 16, 64
"""Of the first batch that are looked at, and the pixels of a side of them."""
FEW = 8
"""Images, at least, whose range is that of all: of one plain image it is its noise, a jump at every pixel."""
BYTES = 256
"""Different values, at most."""
DISTINCT = 64
"""Values that there must be, on a grid of 256: of drawings in black and white nothing can be told."""
LEVELS = 250
"""From the lowest to the highest value, at least."""
PLAIN = 0.2
"""Share of values at either end, at most: of drawings in black and white most are there."""
MIDDLE = 0.1
"""Share of values from 64 to 191, at least: sharp edges between dark and light are as rough (of blocks and
checkerboards with noise 0.00 to 0.08 are there, of photographs that wrapped round 0.14 to 0.64)."""


@torch.no_grad()
def roughness(images: Tensor) -> float | None:
    """Return how rough images (N x C x H x W) of bytes are, beside the same bytes turned by 128.

    From neighbouring pixels' differences, on average. None where the values are no bytes of one scale.
    """
    if images.dim() != 4 or min(images.shape[2:]) < 4 or not images.is_floating_point():
        return None
    some = images[:IMAGES, :, :SIDE, :SIDE].detach().double().cpu()
    if len(torch.unique(some.reshape(-1)[: 16 * BYTES])) > BYTES:
        return None  # (most images are floats of three scales: known from a few pixels)
    values: Tensor = torch.unique(some)
    if not DISTINCT <= len(values) <= BYTES or not bool(torch.isfinite(values).all()):
        return None
    steps = values.diff()
    grid = steps[steps > 1e-4 * steps.max()].min()
    places = (some - values[0]) / grid
    bytes_, span = places.round(), float((values[-1] - values[0]) / grid)
    if not LEVELS <= round(span) <= 255 or float((places - bytes_).abs().max()) > 0.02:
        return None
    if float(((bytes_ == 0) | (bytes_ == round(span))).double().mean()) > PLAIN:
        return None
    if float(((bytes_ >= 64) & (bytes_ < 192)).double().mean()) < MIDDLE:
        return None
    turned = _rough((bytes_ + 128) % 256)
    return _rough(bytes_) / turned if turned > 0 else None


@torch.no_grad()
def jumps(images: Tensor) -> Tensor:
    """Return [share of neighbouring pixels three quarters of all that there is apart, share of pixels at either end].

    The first is that of the image in the middle (a median). NaN of what is no N x C x H x W, and of few images.
    """
    if images.dim() != 4 or len(images) < FEW or min(images.shape[2:]) < 4 or not images.is_floating_point():
        return torch.full((2,), torch.nan, device=images.device)
    some = images[:IMAGES, :, :SIDE, :SIDE].detach().float()
    low, high = some.amin(), some.amax()
    far = [(some.diff(dim=axis).abs() > 0.75 * (high - low)).float().mean((1, 2, 3)) for axis in (2, 3)]
    ends = ((some == low) | (some == high)).float().mean()
    return torch.stack([((far[0] + far[1]) / 2).median(), ends])


def _rough(values: Tensor) -> float:
    """Return the mean difference of neighbours, down and across."""
    return sum(float(values.diff(dim=axis).abs().mean()) for axis in (2, 3))
