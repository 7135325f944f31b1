"""What is done to the pixels: x · scale + shift with one pair a channel, so it costs one pass on the device.

The statistics come from the training images only: validation must not know what it will be asked.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from cvtui.engine.data import ChannelStats

Pair = tuple[float, float]
"""scale and shift of one channel."""


def none(mean: float, std: float) -> Pair:
    """x: 0..255 as it is."""
    return 1.0, 0.0


def scale(mean: float, std: float) -> Pair:
    """x / 255: 0..1."""
    return 1 / 255, 0.0


def centre(mean: float, std: float) -> Pair:
    """x / 255 less the channel's mean (VGG)."""
    return 1 / 255, -mean / 255


def standardise(mean: float, std: float) -> Pair:
    """(x − mean) / std of the channel (ResNet). A channel that never changes is only centred."""
    std = std or 255.0
    return 1 / std, -mean / std


PREPROCESSES: dict[str, Callable[[float, float], Pair]] = {
    "none": none,
    "scale": scale,
    "centre": centre,
    "standardise": standardise,
}
"""By the names of `cvtui.recipe.choices.PREPROCESSES`: from a channel's mean and std to its scale and shift."""


class Preprocess:
    """Called with uint8 pixels N x H x W x C, gives float32 N x C x H x W (in channels_last order of memory)."""

    def __init__(self, name: str, stats: ChannelStats, device: torch.device) -> None:
        pairs = [PREPROCESSES[name](mean, std) for mean, std in zip(*stats, strict=True)]
        self.scale = torch.tensor([pair[0] for pair in pairs], device=device)
        self.shift = torch.tensor([pair[1] for pair in pairs], device=device)

    def __call__(self, pixels: Tensor) -> Tensor:
        return torch.addcmul(self.shift, pixels.to(torch.float32), self.scale).permute(0, 3, 1, 2)

    def state(self) -> dict[str, list[float]]:
        """For the checkpoint: what later use of the model must do to its pixels (0..255)."""
        return {"scale": self.scale.tolist(), "shift": self.shift.tolist()}
