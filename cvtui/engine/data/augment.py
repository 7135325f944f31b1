"""Random changes to training images, on the device where they lie: each image its own, each time it is seen.

Every change takes and gives uint8 N x H x W x C (uint16 and floats of the same shape stay what they are). The random
numbers follow from the seed and the step, so that a run that goes on from a checkpoint sees the same images as one that
was never interrupted, without anything kept; they are drawn on the CPU, so that every device draws the same.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import TypeAlias

import torch
from torch import Tensor, nn

from cvtui.engine.data.depth import UNITS
from cvtui.engine.runtime.seeds import AUGMENT, generator
from cvtui.recipe.choices.spec import Choice, Chosen

GREY = (0.299, 0.587, 0.114)
"""How bright red, green and blue seem (ITU-R BT.601)."""

Change: TypeAlias = Callable[..., Tensor]
"""(pixels, random numbers on the CPU, **parameters of the choice) -> pixels."""


def flip(pixels: Tensor, random: torch.Generator) -> Tensor:
    """Mirrored left to right, half of the images."""
    chosen = torch.rand(len(pixels), generator=random) < 0.5
    return torch.where(_there(chosen, pixels)[:, None, None, None], pixels.flip(2), pixels)


def shift(images: Tensor, random: torch.Generator, pixels: float) -> Tensor:
    """Move by up to so many pixels both ways; the edge is repeated into what is left free."""
    return moved(images, *_moves(random, images, int(pixels)), int(pixels), zeros=False)


def crop(pixels: Tensor, random: torch.Generator, padding: float) -> Tensor:
    """Pad with zeros on all sides and cut out again at a random place (He 2016; torchvision's RandomCrop)."""
    return moved(pixels, *_moves(random, pixels, int(padding)), int(padding), zeros=True)


def rotate(pixels: Tensor, random: torch.Generator, degrees: float) -> Tensor:
    """Turn about the centre by an even choice from −degrees..degrees; bilinear, the edge repeated."""
    return turned(pixels, (2 * torch.rand(len(pixels), generator=random) - 1) * math.radians(degrees))


def cutout(pixels: Tensor, random: torch.Generator, size: float) -> Tensor:
    """Cover a square with each image's mean colour, its centre anywhere (DeVries & Taylor 2017).

    At the edge it is cut.
    """
    count, height, width, _ = pixels.shape
    side = int(size)
    top = (torch.rand(count, generator=random) * height).long() - side // 2
    left = (torch.rand(count, generator=random) * width).long() - side // 2
    rows, columns = torch.arange(height)[None], torch.arange(width)[None]
    inside_rows = (rows >= top[:, None]) & (rows < top[:, None] + side)
    inside_columns = (columns >= left[:, None]) & (columns < left[:, None] + side)
    hole = _there(inside_rows[:, :, None] & inside_columns[:, None, :], pixels)
    mean = _like(pixels, pixels.float().mean((1, 2), keepdim=True))
    return torch.where(hole[..., None], mean, pixels)


def jitter(pixels: Tensor, random: torch.Generator, strength: float) -> Tensor:
    """Brightness, contrast and saturation, each times an even choice from 1 − strength..1 + strength."""
    factors = 1 + strength * (2 * torch.rand(3, len(pixels), generator=random) - 1)
    brightness, contrast, saturation = _there(factors, pixels)[:, :, None, None, None]
    x = pixels.float()
    mean = x.mean((1, 2, 3), keepdim=True)
    # mean + (x − mean) · contrast, of an image that is `brightness` times as bright
    x = torch.addcmul(brightness * (1 - contrast) * mean, x, brightness * contrast)
    if pixels.shape[-1] == 3:
        grey = GREY[0] * x[..., 0:1] + GREY[1] * x[..., 1:2] + GREY[2] * x[..., 2:3]
        x = torch.lerp(grey, x, saturation)
    return _like(pixels, x)


CHANGES: dict[str, Change] = {
    "flip": flip,
    "shift": shift,
    "crop": crop,
    "rotate": rotate,
    "cutout": cutout,
    "jitter": jitter,
}
"""By the names of `cvtui.recipe.choices.augments.AUGMENTS`."""


class Augment:
    """A chain of changes: `flip, crop(4)`."""

    def __init__(self, chain: Sequence[Chosen[Choice]], seed: int) -> None:
        self.chain = chain
        self.seed = seed

    def __bool__(self) -> bool:
        return bool(self.chain)

    def __call__(self, pixels: Tensor, step: int) -> Tensor:
        """Return the images of step `step` (from 0), changed; uint8 N x H x W x C."""
        if pixels.dtype == torch.uint16:  # which few of a GPU's kernels know
            changed = self(pixels.float(), step)
            return changed.round_().clamp_(0, UNITS[torch.uint16]).to(torch.uint16)
        random = generator(self.seed, AUGMENT, step)
        with torch.autocast(pixels.device.type, enabled=False):  # a turn computed in bfloat16 is pixels off
            for choice, values in self.chain:
                pixels = CHANGES[choice.name](pixels, random, **values)
        return pixels


def _moves(random: torch.Generator, images: Tensor, most: int) -> tuple[Tensor, Tensor]:
    """How far down and right each image goes: whole numbers from −most..most."""
    down, right = (torch.randint(-most, most + 1, (len(images),), generator=random) for _ in range(2))
    return down, right


def _there(x: Tensor, pixels: Tensor) -> Tensor:
    """Put x on the device of `pixels`, without waiting for a GPU: the copy has its place in the queue."""
    return x.to(pixels.device, non_blocking=pixels.device.type == "cuda")


def _like(pixels: Tensor, x: Tensor) -> Tensor:
    """Make x the same kind of numbers as `pixels`: bytes are rounded and kept within 0..255."""
    return x.round_().clamp_(0, 255).to(torch.uint8) if pixels.dtype == torch.uint8 else x.to(pixels.dtype)


def moved(pixels: Tensor, down: Tensor, right: Tensor, most: int, *, zeros: bool) -> Tensor:
    """Each image moved by its own whole numbers of pixels; what comes from outside is 0, or the nearest pixel.

    pixels: N x H x W x C; down, right: int64 N of −most..most, on the CPU. The images are padded, and each is cut out
    by whole rows of bytes, which is four times as fast as pixel by pixel.
    """
    count, height, width, channels = pixels.shape
    high, wide = min(most, height), min(most, width)  # further out all looks alike
    down, right = down.clamp(-high, high), right.clamp(-wide, wide)
    if zeros:
        padded = nn.functional.pad(pixels, (0, 0, wide, wide, high, high))
    else:
        rows = torch.arange(-high, height + high, device=pixels.device).clamp_(0, height - 1)
        columns = torch.arange(-wide, width + wide, device=pixels.device).clamp_(0, width - 1)
        padded = pixels.index_select(1, rows).index_select(2, columns)
    runs = padded.flatten(2).unfold(2, width * channels, channels)  # N x rows x places to begin x a row of pixels
    number = torch.arange(count, device=pixels.device)[:, None]
    row = torch.arange(height)[None] + (high - down)[:, None]
    begin = (wide - right)[:, None]
    return runs[number, _there(row, pixels), _there(begin, pixels)].view(pixels.shape)


def turned(pixels: Tensor, angle: Tensor) -> Tensor:
    """Each image turned about its centre by its own angle in radians (N, on the CPU), against the clock."""
    height, width = pixels.shape[1:3]
    cos, sin = angle.cos(), angle.sin()
    zero = torch.zeros_like(cos)
    ratio = height / width  # affine_grid's coordinates go from −1 to 1 on both axes
    rows = [torch.stack([cos, -sin * ratio, zero], 1), torch.stack([sin / ratio, cos, zero], 1)]
    images = pixels.permute(0, 3, 1, 2).float()
    grid = nn.functional.affine_grid(_there(torch.stack(rows, 1), pixels), list(images.shape), align_corners=False)
    found = nn.functional.grid_sample(images, grid, padding_mode="border", align_corners=False)
    return _like(pixels, found.permute(0, 2, 3, 1))
