"""What is done to the pixels. Per channel it is x · scale + shift, so it costs one pass on the device.

The statistics come from the training images only: validation must not know what it will be asked.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from cvtui.engine.data import ChannelStats, Part
from cvtui.recipe.choices import PREPROCESSES as CHOICES
from cvtui.recipe.choices import parse_choice

Pair = tuple[float, float]
"""scale and shift of one channel."""

ZCA_IMAGES = 10_000
"""Training images that the covariance is taken of, at most."""


def none(mean: float, std: float, unit: float) -> Pair:
    """x: 0..255 as it is."""
    return 1.0, 0.0


def scale(mean: float, std: float, unit: float) -> Pair:
    """x / 255: 0..1."""
    return 1 / unit, 0.0


def centre(mean: float, std: float, unit: float) -> Pair:
    """x / 255 less the channel's mean (VGG)."""
    return 1 / unit, -mean / unit


def standardise(mean: float, std: float, unit: float) -> Pair:
    """(x − mean) / std of the channel (ResNet). A channel that never changes is only centred."""
    std = std or unit
    return 1 / std, -mean / std


PREPROCESSES: dict[str, Callable[[float, float, float], Pair]] = {
    "none": none,
    "scale": scale,
    "centre": centre,
    "standardise": standardise,
}
"""From a channel's mean, std and full range (255; of points 1) to its scale and shift, by the names of
`cvtui.recipe.choices.PREPROCESSES`. The others are no matter of one channel: `per_image`, `Zca`."""


def per_image(pixels: Tensor) -> Tensor:
    """(x − mean) / max(std, 1 / sqrt(n)) over the n values of each image (TensorFlow's per_image_standardization).

    pixels: N x H x W x C of 0..1.
    """
    flat = pixels.flatten(1)
    mean = flat.mean(1, keepdim=True)
    std = flat.std(1, correction=0, keepdim=True).clamp_min(flat.shape[1] ** -0.5)
    return ((flat - mean) / std).view_as(pixels)


class Zca:
    """U (Λ + eps)^(−1/2) Uᵀ (x − mean): every pixel uncorrelated with every other, all of variance near 1, and the
    image still recognisable (Bell & Sejnowski 1997; Krizhevsky 2009). x: N x … of 0..1, at most 3,072 values."""

    def __init__(self, images: Part, unit: float, eps: float, device: torch.device) -> None:
        pixels = images.part(0, ZCA_IMAGES).pixels  # a set's order says nothing about its classes
        values = pixels.cpu().flatten(1).to(torch.float32) / unit
        mean = values.mean(0)
        centred = values - mean
        covariance = centred.T @ centred / max(1, len(centred) - 1)
        lengths, axes = torch.linalg.eigh(covariance)
        self.matrix = (axes * (lengths.clamp_min(0) + eps).rsqrt() @ axes.T).to(device)
        self.mean = mean.to(device)

    def __call__(self, pixels: Tensor) -> Tensor:
        whitened: Tensor = (pixels.flatten(1) - self.mean) @ self.matrix
        return whitened.view_as(pixels)


class Preprocess:
    """Called with uint8 pixels N x H x W x C, gives float32 N x C x H x W (in channels_last order of memory).

    Points (float32 N x features) stay N x features.

    text: as in a recipe (`standardise`, `zca(0.1)`); stats: of the training images' channels; images: the training
    images themselves, for `zca` alone.
    """

    def __init__(self, text: str, stats: ChannelStats, device: torch.device, images: Part | None = None) -> None:
        choice, values = parse_choice(text, CHOICES, "preprocess")
        self.name = choice.name
        unit = 255.0 if images is None or images.are_pictures else 1.0
        rule = PREPROCESSES.get(choice.name, scale)
        pairs = [rule(mean, std, unit) for mean, std in zip(*stats, strict=True)]
        self.scale = torch.tensor([pair[0] for pair in pairs], device=device)
        self.shift = torch.tensor([pair[1] for pair in pairs], device=device)
        self.zca: Zca | None = None
        if choice.name == "zca":
            if images is None:
                raise ValueError("zca learns from the training images")
            self.zca = Zca(images, unit, values["eps"], device)

    def __call__(self, pixels: Tensor) -> Tensor:
        x = torch.addcmul(self.shift, pixels.to(torch.float32), self.scale)
        if self.zca is not None:
            x = self.zca(x)
        elif self.name == "per-image":
            x = per_image(x)
        return x.permute(0, 3, 1, 2) if x.dim() == 4 else x

    def state(self) -> dict[str, Any]:
        """For the checkpoint: what later use of the model must do to its pixels: x · scale + shift per channel, and
        then `zca` (less `mean`, times `matrix`) or `per-image`, as `name` says."""
        found: dict[str, Any] = {"name": self.name, "scale": self.scale.tolist(), "shift": self.shift.tolist()}
        if self.zca is not None:
            found |= {"mean": self.zca.mean.cpu(), "matrix": self.zca.matrix.cpu()}
        return found
