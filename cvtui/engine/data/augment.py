"""Random changes to training images, on the device where they lie: each image its own, each time it is seen.

Every change takes and gives uint8 N x H x W x C (uint16 and floats of the same shape stay what they are). The random
numbers follow from the seed and the step, so that a run that goes on from a checkpoint sees the same images as one that
was never interrupted, without anything kept; they are drawn on the CPU, so that every device draws the same. Drawing
and changing are apart: what is drawn is copied to the device, and the changes alone are kernels, which a CUDA graph can
hold.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import partial
from typing import NamedTuple, TypeAlias

import torch
from torch import Tensor, nn

from cvtui.engine.data import each_image
from cvtui.engine.data.depth import UNITS
from cvtui.engine.data.images import Part
from cvtui.engine.runtime.seeds import AUGMENT, generator
from cvtui.errors import RequestError
from cvtui.recipe.choices.augments import AugmentChoice
from cvtui.recipe.choices.spec import Choice, Chosen

CHECKED = 64
"""Images of floats whose range is looked at."""
GREY = (0.299, 0.587, 0.114)
"""How bright red, green and blue seem (ITU-R BT.601)."""

Shape: TypeAlias = Sequence[int]
"""N, H, W, C."""
Drawn: TypeAlias = tuple[Tensor, ...]
"""Random numbers of one change."""


class Change(NamedTuple):
    """One kind of random change."""

    draw: Callable[..., Drawn]
    """(random numbers on the CPU, shape of the images, **parameters of the choice) -> tensors on the CPU."""
    apply: Callable[..., Tensor]
    """(pixels, *what was drawn, on their device, **parameters) -> pixels."""
    unit: bool = False
    """Floats that it takes are within 0..1."""
    axis: int = 0
    """Of what is drawn: where it has a number for each image."""
    each: bool = False
    """Works on one image after another, by numbers that stay on the CPU: no CUDA graph can hold it."""


def draw_flips(random: torch.Generator, shape: Shape) -> Drawn:
    """Half of the images."""
    return (torch.rand(shape[0], generator=random) < 0.5,)


def flip(pixels: Tensor, chosen: Tensor) -> Tensor:
    """Mirrored left to right, those that are chosen."""
    return torch.where(chosen[:, None, None, None], pixels.flip(2), pixels)


def draw_shifts(random: torch.Generator, shape: Shape, pixels: float) -> Drawn:
    """Draw moves by up to `pixels` along both axes."""
    return windows(*_moves(random, shape, int(pixels)), shape, int(pixels))


def shift(images: Tensor, rows: Tensor, begin: Tensor, pixels: float) -> Tensor:
    """Move; the edge is repeated into what is left free."""
    return cut(images, rows, begin, int(pixels), zeros=False)


def draw_crops(random: torch.Generator, shape: Shape, padding: float) -> Drawn:
    """Draw places to cut out at."""
    return windows(*_moves(random, shape, int(padding)), shape, int(padding))


def crop(pixels: Tensor, rows: Tensor, begin: Tensor, padding: float) -> Tensor:
    """Pad with zeros on all sides and cut out again at a random place (He 2016; torchvision's RandomCrop)."""
    return cut(pixels, rows, begin, int(padding), zeros=True)


def draw_turns(random: torch.Generator, shape: Shape, degrees: float) -> Drawn:
    """Draw an even choice from −degrees..degrees for each image."""
    return (turns((2 * torch.rand(shape[0], generator=random) - 1) * math.radians(degrees), shape),)


def rotate(pixels: Tensor, turn: Tensor, **_: float) -> Tensor:
    """Turn about the centre; bilinear, the edge repeated."""
    images = pixels.permute(0, 3, 1, 2).float()
    grid = nn.functional.affine_grid(turn, list(images.shape), align_corners=False)
    found = nn.functional.grid_sample(images, grid, padding_mode="border", align_corners=False)
    return _like(pixels, found.permute(0, 2, 3, 1))


def draw_holes(random: torch.Generator, shape: Shape, size: float) -> Drawn:
    """Draw a square for each image, N x H x W, its centre anywhere; at the edge it is cut."""
    count, height, width, _ = shape
    side = int(size)
    top = (torch.rand(count, generator=random) * height).long() - side // 2
    left = (torch.rand(count, generator=random) * width).long() - side // 2
    rows, columns = torch.arange(height)[None], torch.arange(width)[None]
    inside_rows = (rows >= top[:, None]) & (rows < top[:, None] + side)
    inside_columns = (columns >= left[:, None]) & (columns < left[:, None] + side)
    return (inside_rows[:, :, None] & inside_columns[:, None, :],)


def cutout(pixels: Tensor, hole: Tensor, **_: float) -> Tensor:
    """Cover a square with each image's mean colour (DeVries & Taylor 2017)."""
    mean = _like(pixels, pixels.float().mean((1, 2), keepdim=True))
    return torch.where(hole[..., None], mean, pixels)


def draw_factors(random: torch.Generator, shape: Shape, strength: float) -> Drawn:
    """Draw brightness, contrast and saturation, each an even choice from 1 − strength..1 + strength."""
    return (1 + strength * (2 * torch.rand(3, shape[0], generator=random) - 1),)


def jitter(pixels: Tensor, factors: Tensor, **_: float) -> Tensor:
    """Brightness, contrast and saturation times their factors (3 x N)."""
    brightness, contrast, saturation = factors[:, :, None, None, None]
    x = pixels.float()
    mean = x.mean((1, 2, 3), keepdim=True)
    # mean + (x − mean) · contrast, of an image that is `brightness` times as bright
    x = torch.addcmul(brightness * (1 - contrast) * mean, x, brightness * contrast)
    if pixels.shape[-1] == 3:
        grey = GREY[0] * x[..., 0:1] + GREY[1] * x[..., 1:2] + GREY[2] * x[..., 2:3]
        x = torch.lerp(grey, x, saturation)
    return _like(pixels, x)


def erase(pixels: Tensor, hole: Tensor, **_: float) -> Tensor:
    """Cover a rectangle with each image's mean colour."""
    return cutout(pixels, hole)


CHANGES: dict[str, Change] = {
    "flip": Change(draw_flips, flip),
    "shift": Change(draw_shifts, shift),
    "crop": Change(draw_crops, crop),
    "rotate": Change(draw_turns, rotate),
    "cutout": Change(draw_holes, cutout),
    "jitter": Change(draw_factors, jitter, axis=1),
    "erasing": Change(each_image.draw_rectangles, erase),
    **{
        name: Change(each_image.draw_seeds, partial(each_image.change, name), unit=True, each=True)
        for name in each_image.TRANSFORMS
    },
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
        drawn = zip(self.chain, self.draw(pixels.shape, step), strict=True)
        return self.apply(pixels, [n if CHANGES[one.name].each else [_there(x, pixels) for x in n] for one, n in drawn])

    def of_rows(self, pixels: Tensor, step: int, count: int, rows: Tensor) -> Tensor:
        """Return the images of step `step` whose batch has `count`, of which `pixels` are these rows."""
        drawn = []
        for (choice, _), numbers in zip(self.chain, self.draw((count, *pixels.shape[1:]), step), strict=True):
            change = CHANGES[choice.name]
            mine = [x.index_select(change.axis, rows) for x in numbers]
            drawn.append(mine if change.each else [_there(x, pixels) for x in mine])
        return self.apply(pixels, drawn)

    @property
    def each(self) -> str:
        """Name of a change that works on one image after another; "" without."""
        return next((choice.name for choice, _ in self.chain if CHANGES[choice.name].each), "")

    def check(self, images: Part, name: str) -> None:
        """Check that floats of a set `name` lie within 0..1 where a change wants that. RequestError."""
        coloured = next((one.name for one, _ in self.chain if isinstance(one, AugmentChoice) and one.colours), "")
        if not coloured:
            return
        pixels = images.in_epoch(0).part(0, CHECKED).pixels
        if not pixels.is_floating_point():
            return
        low, high = pixels.min().item(), pixels.max().item()
        if low < 0 or high > 1:
            raise RequestError(
                f"augment: {coloured} is for pixels of 8 or 16 bits, or floats within 0 to 1; those of {name} are "
                f"floats from {low:.3g} to {high:.3g}",
                hint="leave the normalisation to --preprocess, which comes after the augmentation",
            )

    def draw(self, shape: Shape, step: int) -> list[Drawn]:
        """Draw the random numbers of step `step` for images of this shape, on the CPU."""
        random = generator(self.seed, AUGMENT, step)
        return [CHANGES[choice.name].draw(random, shape, **values) for choice, values in self.chain]

    def apply(self, pixels: Tensor, drawn: Sequence[Sequence[Tensor]]) -> Tensor:
        """Change the images by what was drawn, which lies on their device."""
        if pixels.dtype == torch.uint16:  # which few of a GPU's kernels know
            changed = self._apply(pixels.float(), drawn, UNITS[torch.uint16])
            return changed.round_().clamp_(0, UNITS[torch.uint16]).to(torch.uint16)
        return self._apply(pixels, drawn, 1.0)

    def _apply(self, pixels: Tensor, drawn: Sequence[Sequence[Tensor]], unit: float) -> Tensor:
        """Change as `apply` does; unit: what is 1 to a change that takes floats within 0..1."""
        with torch.autocast(pixels.device.type, enabled=False):  # a turn computed in bfloat16 is pixels off
            for (choice, values), numbers in zip(self.chain, drawn, strict=True):
                change = CHANGES[choice.name]
                if change.unit and unit != 1.0:
                    pixels = change.apply(pixels / unit, *numbers, **values) * unit
                else:
                    pixels = change.apply(pixels, *numbers, **values)
        return pixels


def _moves(random: torch.Generator, shape: Shape, most: int) -> tuple[Tensor, Tensor]:
    """How far down and right each image goes: whole numbers from −most..most."""
    down, right = (torch.randint(-most, most + 1, (shape[0],), generator=random) for _ in range(2))
    return down, right


def _there(x: Tensor, pixels: Tensor) -> Tensor:
    """Put x on the device of `pixels`, without waiting for a GPU: the copy has its place in the queue."""
    return x.to(pixels.device, non_blocking=pixels.device.type == "cuda")


def _like(pixels: Tensor, x: Tensor) -> Tensor:
    """Make x the same kind of numbers as `pixels`: bytes are rounded and kept within 0..255."""
    return x.round_().clamp_(0, 255).to(torch.uint8) if pixels.dtype == torch.uint8 else x.to(pixels.dtype)


def _margin(shape: Shape, most: int) -> tuple[int, int]:
    """Return the padding, high and wide: further out all looks alike."""
    return min(most, shape[1]), min(most, shape[2])


def windows(down: Tensor, right: Tensor, shape: Shape, most: int) -> tuple[Tensor, Tensor]:
    """Where each moved image lies in the padded one: its rows, N x H, and where a row begins, N x 1.

    down, right: int64 N of −most..most.
    """
    high, wide = _margin(shape, most)
    rows = torch.arange(shape[1])[None] + (high - down.clamp(-high, high))[:, None]
    return rows, (wide - right.clamp(-wide, wide))[:, None]


def cut(pixels: Tensor, rows: Tensor, begin: Tensor, most: int, *, zeros: bool) -> Tensor:
    """Cut each image out of the padded one at its window; what comes from outside is 0, or the nearest pixel.

    pixels: N x H x W x C. They are cut by whole rows of bytes, which is four times as fast as pixel by pixel.
    """
    count, height, width, channels = pixels.shape
    high, wide = _margin(pixels.shape, most)
    if zeros:
        padded = nn.functional.pad(pixels, (0, 0, wide, wide, high, high))
    else:
        down = torch.arange(-high, height + high, device=pixels.device).clamp_(0, height - 1)
        across = torch.arange(-wide, width + wide, device=pixels.device).clamp_(0, width - 1)
        padded = pixels.index_select(1, down).index_select(2, across)
    runs = padded.flatten(2).unfold(2, width * channels, channels)  # N x rows x places to begin x a row of pixels
    number = torch.arange(count, device=pixels.device)[:, None]
    return runs[number, rows, begin].view(pixels.shape)


def turns(angle: Tensor, shape: Shape) -> Tensor:
    """Affine matrices, N x 2 x 3, that turn images of this shape by angles in radians (N), against the clock."""
    height, width = shape[1:3]
    cos, sin = angle.cos(), angle.sin()
    zero = torch.zeros_like(cos)
    ratio = height / width  # affine_grid's coordinates go from −1 to 1 on both axes
    rows = [torch.stack([cos, -sin * ratio, zero], 1), torch.stack([sin / ratio, cos, zero], 1)]
    return torch.stack(rows, 1)
