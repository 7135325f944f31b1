"""What is done to the pixels. Per channel it is x · scale + shift, so it costs one pass on the device.

The statistics come from the training images only: validation must not know what it will be asked. They are in the
record `run` (mean and std per channel) and in every checkpoint, from which `Preprocess.of_state` makes the same again.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor

from cvtui.engine.data.depth import unit_of
from cvtui.engine.data.images import ChannelStats, Part
from cvtui.recipe.choices.preprocesses import PreprocessChoice
from cvtui.recipe.choices.spec import Chosen

Pair = tuple[float, float]
"""scale and shift of one channel."""

ZCA_IMAGES = 10_000
"""Training images that the covariance is taken of, at most; of a larger set, every so manieth."""
EXACT_VALUES = 1024
"""Images of up to so many values are whitened in double precision; above, that takes half a minute."""


def none(_mean: float, _std: float, _unit: float) -> Pair:
    """x: 0..255 as it is."""
    return 1.0, 0.0


def scale(_mean: float, _std: float, unit: float) -> Pair:
    """Scale to 0..1: x / 255."""
    return 1 / unit, 0.0


def centre(mean: float, _std: float, unit: float) -> Pair:
    """Subtract the channel's mean from x / 255 (VGG)."""
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
`cvtui.recipe.choices.preprocesses.PREPROCESSES`. The others are no matter of one channel: `per_image`, `Zca`, or of
the images: `weights` (`Preprocess.of_pixels`)."""


def per_image(pixels: Tensor) -> Tensor:
    """(x − mean) / max(std, 1 / sqrt(n)) over the n values of each image (TensorFlow's per_image_standardization).

    pixels: N x H x W x C of 0..1.
    """
    flat = pixels.flatten(1)
    mean = flat.mean(1, keepdim=True)
    std = flat.std(1, correction=0, keepdim=True).clamp_min(flat.shape[1] ** -0.5)
    return ((flat - mean) / std).view_as(pixels)


class Zca(NamedTuple):
    """ZCA whitening, U (Λ + eps)^(−1/2) Uᵀ (x − mean): pixels uncorrelated, all of variance near 1.

    The image stays recognisable (Bell & Sejnowski 1997; Krizhevsky 2009). x: N x … of 0..1, at most 3,072 values; U and
    Λ: eigenvectors and eigenvalues of the values' covariance over the training images.
    """

    mean: Tensor
    """[values]."""
    matrix: Tensor
    """[values, values], symmetric."""

    def __call__(self, pixels: Tensor) -> Tensor:
        with torch.autocast(pixels.device.type, enabled=False):  # bfloat16 would lose the small differences again
            whitened = (pixels.flatten(1) - self.mean) @ self.matrix
        return whitened.view_as(pixels)


_known: dict[str, Zca] = {}
"""The last one learnt, by what it was learnt from: a form asks for the same again at every change."""


def learn_zca(images: Part, unit: float, eps: float) -> Zca:
    """From the training images, on the CPU."""
    apart = max(1, -(-images.size // ZCA_IMAGES))  # a folder's images lie class by class
    index = torch.arange(0, images.size, apart, device=images.labels.device)
    pixels = images.batch(index).pixels.cpu().flatten(1)
    key = hashlib.sha256(pixels.numpy().data).hexdigest() + f"{pixels.shape} {unit} {eps}"
    if key not in _known:
        values = pixels.to(torch.float64 if pixels.shape[1] <= EXACT_VALUES else torch.float32).div_(unit)
        mean = values.mean(0)
        values -= mean
        lengths, axes = torch.linalg.eigh(values.T @ values / max(1, len(values) - 1))
        matrix = axes * (lengths.clamp_min(0) + eps).rsqrt() @ axes.T
        _known.clear()
        _known[key] = Zca(mean.float(), matrix.float())
    return _known[key]


class Preprocess:
    """Called with pixels N x H x W x C, gives float32 N x C x H x W (in channels_last order of memory).

    Points (float32 N x features) stay N x features, each feature treated as a channel.

    choice: of a recipe (`standardise`, `zca(0.1)`); stats: of the training images' channels, in the pixels' own unit;
    images: the training images themselves, for `zca`, and to know their white (255, 65535, or 1 of floats).
    """

    name: str
    """`none`, `standardise` …"""
    scale: Tensor
    """[channels]."""
    shift: Tensor
    """[channels]."""
    zca: Zca | None
    unit: float = 255.0
    """Value of white in the images that it was made of (one of a state doesn't know: the checkpoint says it)."""

    def __init__(
        self, choice: Chosen[PreprocessChoice], stats: ChannelStats, device: torch.device, images: Part | None = None
    ) -> None:
        unit = 255.0 if images is None else unit_of(images.part(0, 1).pixels.dtype)
        rule = PREPROCESSES.get(choice.name, scale)
        pairs = [rule(mean, std, unit) for mean, std in zip(*stats, strict=True)]
        if choice.name == "zca" and images is None:
            raise ValueError("zca learns from the training images")
        zca = learn_zca(images, unit, choice.values["eps"]) if choice.name == "zca" and images is not None else None
        self.unit = unit
        self._set(choice.name, [pair[0] for pair in pairs], [pair[1] for pair in pairs], zca, device)

    @classmethod
    def of_pixels(
        cls, mean: Sequence[float], std: Sequence[float], channels: int, device: torch.device, images: Part
    ) -> Preprocess:
        """Normalize by mean and deviation of 0..1 pixels that came with weights (averaged for other channels)."""
        if len(mean) != channels:
            mean, std = [sum(mean) / len(mean)] * channels, [sum(std) / len(std)] * channels
        unit = unit_of(images.part(0, 1).pixels.dtype)
        made = cls.__new__(cls)
        scales, shifts = [1 / (unit * s) for s in std], [-m / s for m, s in zip(mean, std, strict=True)]
        made.unit = unit
        made._set("weights", scales, shifts, None, device)
        return made

    def _set(
        self, name: str, scale: list[float], shift: list[float], zca: Zca | None, device: torch.device | str
    ) -> None:
        self.name = name
        self.scale, self.shift = torch.tensor(scale, device=device), torch.tensor(shift, device=device)
        self._rows = (self.scale, self.shift)
        self.zca = zca and Zca(zca.mean.to(device), zca.matrix.to(device))

    def __call__(self, pixels: Tensor) -> Tensor:
        x = self._scaled(pixels)
        if self.zca is not None:
            x = self.zca(x)
        elif self.name == "per-image":
            x = per_image(x)
        return x.permute(0, 3, 1, 2) if x.dim() == 4 else x

    def _scaled(self, pixels: Tensor) -> Tensor:
        """Return x · scale + shift per channel; every bit is that of `addcmul` over the last dimension.

        Bytes are taken a row of the image at a time, over which the kernel has long vectors: with three channels at the
        end, 64 images of 32x32 take 204 µs, so 43. What they were converted to is written over.
        """
        if pixels.dtype != torch.uint8 or pixels.dim() != 4 or not pixels.is_contiguous():
            return torch.addcmul(self.shift, pixels.to(torch.float32), self.scale)
        width = pixels.shape[2]
        if len(self._rows[0]) != width * len(self.scale):
            self._rows = (self.scale.repeat(width), self.shift.repeat(width))
        scale, shift = self._rows
        rows = pixels.to(torch.float32).view(-1, len(scale))
        return torch.addcmul(shift, rows, scale, out=rows).view(pixels.shape)

    def state(self) -> dict[str, Any]:
        """Return, for the checkpoint, what later use of the model must do to its pixels.

        x · scale + shift per channel, and then `zca` (less `mean`, times `matrix`) or `per-image`, as `name` says.
        """
        found: dict[str, Any] = {"name": self.name, "scale": self.scale.tolist(), "shift": self.shift.tolist()}
        if self.zca is not None:
            found |= {"mean": self.zca.mean.cpu(), "matrix": self.zca.matrix.cpu()}
        return found

    @classmethod
    def of_state(cls, state: Mapping[str, Any], device: torch.device | str = "cpu") -> Preprocess:
        """Restore it from what `state` gave, without any images. KeyError for what is no such state.

        Older checkpoints have no name: they knew only scale and shift.
        """
        zca = Zca(state["mean"], state["matrix"]) if "matrix" in state else None
        again = cls.__new__(cls)
        again._set(state.get("name", ""), state["scale"], state["shift"], zca, device)
        return again
