"""Shifts, rotations and scalings of pictures and of feature maps, and how far a map is from moving with its picture."""

from __future__ import annotations

import math
from collections.abc import Mapping

import torch
from torch import Tensor
from torch.nn import functional as F

from cvtui.engine.nn.model import Net
from cvtui.labs.experiments.data import layer_outputs
from cvtui.labs.experiments.train import noise

CANVAS = 2
"""Pictures are cut out of a canvas twice as wide, so that what moves in from outside is real picture too."""


def canvas(side: int, count: int, seed: int) -> Tensor:
    """[count, 1, 2·side, 2·side]: noise of mean 0 and std 1, smooth so that it can be turned by interpolation."""
    maker = noise(seed)
    wide = CANVAS * side
    coarse = torch.randn(count, 1, wide // 4 + 1, wide // 4 + 1, generator=maker)
    fine = F.interpolate(coarse, size=(wide, wide), mode="bicubic", align_corners=True)
    return (fine - fine.mean()) / fine.std()


def cut(wide: Tensor, *, shift: int = 0, angle: float = 0.0, scale: float = 1.0) -> Tensor:
    """Transform the middle of the canvas: column x moves to x + shift, then turned and magnified."""
    side = wide.shape[-1] // CANVAS
    if angle == 0.0 and scale == 1.0:
        low = side // 2
        return wide[..., low : low + side, low - shift : low - shift + side]
    return sample(wide, side, angle, scale)


def sample(values: Tensor, side: int, angle: float, scale: float) -> Tensor:
    """Crop side x side pixels from the middle of `values` [n, C, H, W], turned by `angle` degrees, times `scale`.

    90° turns are exact; others take bicubic interpolation. Where it reaches outside, the border is repeated.
    """
    height = values.shape[-1]
    if scale == 1.0 and angle % 90 == 0:
        low = (height - side) // 2
        turned: Tensor = torch.rot90(values, int(angle // 90) % 4, (2, 3))
        return turned[..., low : low + side, low : low + side]
    turn = math.radians(angle)
    cosine, sine = math.cos(turn) / scale, math.sin(turn) / scale
    theta = torch.tensor([[cosine, -sine, 0.0], [sine, cosine, 0.0]], dtype=values.dtype)
    grid = F.affine_grid(theta[None].expand(len(values), 2, 3), [len(values), 1, side, side], align_corners=False)
    grid = grid * (side / height)
    return F.grid_sample(values, grid, mode="bicubic", padding_mode="border", align_corners=False)


def outputs_of(net: Net, x: Tensor, maps: Mapping[str, tuple[int, int, int]]) -> dict[str, Tensor]:
    """Return the outputs of the layers named in `maps`, each as its (H, W, C); an fc's is laid out as one."""
    outputs = layer_outputs(net, x, maps)
    return {
        name: outputs[name].reshape(len(x), channels, height, width) for name, (height, width, channels) in maps.items()
    }


def shift_error(still: Tensor, moved: Tensor, shift: int, stride: int, margin: int, *, border: bool = False) -> float:
    """‖φ(Tx) − Tφ(x)‖ / ‖φ(x)‖ for a shift by `shift` input pixels, over the places that both maps hold.

    stride: input pixels per step of the map. A shift by a part of a step is taken from φ(x) on a straight line between
    neighbours: the best that so coarse a map can do. margin: places at each edge that are left out (away from the
    border), or, with `border`, the only ones that count.
    """
    steps = shift / stride
    low = math.floor(steps)
    part = steps - low
    width = still.shape[-1]
    # Place j of the moved map is place j − steps of the still one, between j − low − 1 and j − low.
    places = torch.arange(min(low + 1 if part else low, width), width)
    if not len(places):
        return math.nan
    expected = still[..., places - low] * (1 - part)
    if part:
        expected = expected + still[..., places - low - 1] * part
    there = moved[..., places]
    inner = torch.zeros(still.shape[-2], len(places), dtype=torch.bool)
    inner[
        margin : still.shape[-2] - margin or None, (places >= margin + low + bool(part)) & (places < width - margin)
    ] = True
    if border:
        inner = ~inner
    return relative(there[..., inner], expected[..., inner])


def warp_error(still: Tensor, moved: Tensor, angle: float, scale: float, margin: int) -> float:
    """‖φ(Tx) − Tφ(x)‖ / ‖φ(x)‖ for a turn and magnification about the middle, in a disc away from the border."""
    side = still.shape[-1]
    expected = sample(still, side, angle, scale)
    reach = torch.arange(side) - (side - 1) / 2
    radius = (reach[:, None] ** 2 + reach[None, :] ** 2).sqrt()
    inside = radius <= (side / 2 - margin) / max(1.0, 1.0 / scale)
    return relative(moved[..., inside], expected[..., inside])


def relative(found: Tensor, expected: Tensor) -> float:
    """‖found − expected‖ / ‖expected‖; NaN where there is nothing to compare."""
    size = float(expected.double().norm())
    return float((found - expected).double().norm()) / size if size > 0 else math.nan
