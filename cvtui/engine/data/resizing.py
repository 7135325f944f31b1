"""Bring images that lie in memory to another size."""

from __future__ import annotations

import torch
from torch import Tensor

from cvtui.engine.data.depth import unit_of

AT_ONCE = 256
"""Images that are resized together."""


def like(pixels: Tensor, x: Tensor) -> Tensor:
    """Make x the same kind of numbers as `pixels`: whole ones are rounded, and kept within black and white."""
    return x if pixels.is_floating_point() else x.round().clamp(0, unit_of(pixels.dtype)).to(pixels.dtype)


def resized(pixels: Tensor, shape: tuple[int, int]) -> Tensor:
    """Scale to cover the shape and cut to the middle, as files are."""
    high, wide = pixels.shape[1:3]
    if (high, wide) == shape:
        return pixels
    scale = max(shape[0] / high, shape[1] / wide)
    across = (max(shape[0], round(high * scale)), max(shape[1], round(wide * scale)))
    top, left = (across[0] - shape[0]) // 2, (across[1] - shape[1]) // 2
    pieces = []
    for some in torch.split(pixels, AT_ONCE):
        scaled = torch.nn.functional.interpolate(
            some.permute(0, 3, 1, 2).float(), size=across, mode="bilinear", antialias=True, align_corners=False
        )[:, :, top : top + shape[0], left : left + shape[1]].permute(0, 2, 3, 1)
        pieces.append(like(some, scaled))
    return torch.cat(pieces).contiguous()
