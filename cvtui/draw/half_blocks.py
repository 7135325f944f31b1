"""Heat maps and pictures in half blocks: each cell holds two pixels, one above the other, in full colour."""

from __future__ import annotations

import itertools
from functools import lru_cache
from typing import Literal, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray
from rich.color import Color
from rich.segment import Segment
from rich.style import Style

from cvtui.draw.braille import BRAILLE, Codes
from cvtui.draw.scales import Array, Floats

Image: TypeAlias = NDArray[np.uint8]
"""(height, width, 3), sRGB."""
MapName: TypeAlias = Literal["magma", "viridis", "diverging", "two"]

_STOPS: dict[str, str] = {
    "magma": "000004 180f3d 440f76 721f81 9e2f7f cd4071 f1605d fd9668 feca8d fcfdbf",
    "viridis": "440154 482878 3e4989 31688e 26828e 1f9e89 35b779 6ece58 b5de2b fde725",
    "viridis light": "fbf8e6 f0ecb4 cfe3a0 a6d6ac 86c3bf 84aed2 9a97d8",
    "diverging": "7fc8ff 3b8fd6 1f5a94 173654 151515 572a18 9c4a1c dd7a2b ffc27d",
    "diverging light": "084a8c 2f7fc1 7db5e0 c5deef f7f7f7 f9d3b4 eb9a5c c65c1a 7d2d04",
    "two": "1d4f86 173450 0c0c0c 503c17 865a14",
    "two light": "8db8e6 c2d8ef f5f5f3 f1dcbf e2b675",
}
"""Colours at equal distances. magma and viridis: matplotlib's, by S. van der Walt and N. Smith (CC0), whose lightness
rises evenly; "viridis light": so pale that paths over it need no ground of their own; diverging: equally far from the
ground on both sides of zero; two: shades of a figure's first two colours, for the scores of two classes."""


def rgb(code: str) -> tuple[int, int, int]:
    """Red, green, blue (0 … 255) of `rrggbb` or `#rrggbb`."""
    red, green, blue = bytes.fromhex(code.removeprefix("#"))
    return red, green, blue


@lru_cache(maxsize=8)
def colour_map(name: MapName, dark: bool = True) -> Image:
    """256 colours, (256, 3). Little looks like the ground, much stands out: bright on dark, dark on light."""
    stops = _STOPS.get("" if dark else f"{name} light", _STOPS[name]).split()
    points = _to_oklab(np.array([rgb(stop) for stop in stops], np.float64) / 255)
    places = np.linspace(0, len(stops) - 1, 256)
    mixed = np.stack([np.interp(places, np.arange(len(stops)), points[:, part]) for part in range(3)], axis=1)
    table = np.rint(_from_oklab(mixed) * 255).astype(np.uint8)
    if not dark and name == "magma":
        table = table[::-1].copy()
    table.setflags(write=False)
    return table


_M1 = np.array(
    [
        [0.4122214708, 0.5363325363, 0.0514459929],
        [0.2119034982, 0.6806995451, 0.1073969566],
        [0.0883024619, 0.2817188376, 0.6299787005],
    ]
)
_M2 = np.array(
    [
        [0.2104542553, 0.7936177850, -0.0040720468],
        [1.9779984951, -2.4285922050, 0.4505937099],
        [0.0259040371, 0.7827717662, -0.8086757660],
    ]
)
"""B. Ottosson, "A perceptual color space for image processing" (2020): linear sRGB to cones, cones to OKLab."""


def _to_oklab(srgb: Floats) -> Floats:
    return np.asarray(np.cbrt(_linear(srgb) @ _M1.T) @ _M2.T)


def _from_oklab(lab: Floats) -> Floats:
    linear = (lab @ np.linalg.inv(_M2).T) ** 3 @ np.linalg.inv(_M1).T
    return np.asarray(_unlinear(np.clip(linear, 0, 1)))


def shares(values: ArrayLike, low: float | None = None, high: float | None = None) -> Floats:
    """Where values lie between `low` (the smallest, if None) and `high` (the largest): 0 … 1 and beyond.

    NaN for what is not finite; 0 everywhere if all values are equal.
    """
    given = np.asarray(values, dtype=np.float64)
    good = np.isfinite(given)
    low = float(given[good].min(initial=np.inf)) if low is None and good.any() else (low or 0.0)
    high = float(given[good].max(initial=-np.inf)) if high is None and good.any() else (high or 0.0)
    with np.errstate(all="ignore"):
        return np.where(good, (given - low) / (high - low) if high > low else 0.0, np.nan)


def heat(
    values: ArrayLike,
    table: Image,
    low: float | None = None,
    high: float | None = None,
    missing: tuple[int, int, int] = (96, 96, 96),
) -> Image:
    """Values (h, w) to an image: `low` (the smallest, if None) gets the first colour, `high` the last.

    What is not finite gets the colour `missing`. If all values are equal they get the first colour.
    """
    along = shares(values, low, high)
    image = table[np.clip(np.rint(np.nan_to_num(along) * 255), 0, 255).astype(np.uint8)]
    image[np.isnan(along)] = missing
    return np.asarray(image)


def resize(image: Array, height: int, width: int, how: Literal["mean", "nearest", "smooth"] = "mean") -> Array:
    """Resize an image (h, w) or (h, w, c), each direction on its own.

    mean     the mean of what falls on a pixel when it gets smaller, the nearest when it gets larger
    nearest  always the nearest: for numbers that only name something
    smooth   as `mean`, but on straight lines between the values when it gets larger; NaN spreads to its neighbours
    """
    for axis, size in ((0, height), (1, width)):
        if size > 0 and image.shape[axis] not in (0, size):
            image = _resized(image, axis, size, how)
    return image


def _resized(image: Array, axis: int, size: int, how: str) -> Array:
    old = image.shape[axis]
    if size > old and how == "smooth":
        places = np.clip((np.arange(size) + 0.5) / size * old - 0.5, 0, old - 1)
        lower = np.minimum(places.astype(int), old - 2) if old > 1 else np.zeros(size, int)
        part = (places - lower).reshape(-1, *[1] * (image.ndim - 1 - axis))
        below, above = np.take(image, lower, axis=axis), np.take(image, np.minimum(lower + 1, old - 1), axis=axis)
        return np.asarray(below * (1 - part) + above * part)
    if size > old or how == "nearest":
        return np.asarray(np.take(image, (2 * np.arange(size) + 1) * old // (2 * size), axis=axis))
    values = np.moveaxis(image, axis, 0).astype(np.float64)
    means = _area_means(values, size)
    if np.isnan(means).any():  # of what is there; NaN only where nothing is
        there = ~np.isnan(values)
        with np.errstate(invalid="ignore"):
            means = _area_means(np.where(there, values, 0.0), size) / _area_means(there.astype(np.float64), size)
    if np.issubdtype(image.dtype, np.integer):
        means = np.rint(means)
    return np.asarray(np.moveaxis(means, 0, axis).astype(image.dtype))


def _area_means(values: Floats, size: int) -> Floats:
    """Means of `size` equal stretches along the first axis."""
    old = len(values)
    sums = np.concatenate([np.zeros((1, *values.shape[1:])), np.cumsum(values, axis=0)])
    edges = np.linspace(0, old, size + 1)
    whole = np.minimum(edges.astype(int), old - 1)
    part = (edges - whole).reshape(-1, *[1] * (values.ndim - 1))
    return np.asarray(np.diff(sums[whole] + part * values[whole], axis=0) * size / old)


def tiles(images: NDArray[np.uint8], columns: int, gap: int = 1, ground: tuple[int, int, int] = (0, 0, 0)) -> Image:
    """Images (n, h, w, 3) side by side in rows of `columns`, `gap` pixels apart."""
    count, height, width, _ = images.shape
    columns = max(1, min(columns, count))
    rows = -(-count // columns)
    sheet = np.empty((max(0, rows * (height + gap) - gap), max(0, columns * (width + gap) - gap), 3), np.uint8)
    sheet[:] = ground
    for number, image in enumerate(images):
        top, left = number // columns * (height + gap), number % columns * (width + gap)
        sheet[top : top + height, left : left + width] = image
    return sheet


def segments(
    image: Image,
    ground: tuple[int, int, int] | None = None,
    over: tuple[Codes, Image] | None = None,
    *,
    dark: bool = True,
) -> list[list[Segment]]:
    """One row of segments for each two rows of pixels.

    `ground`: below the last of an odd number; None: the terminal's own. `over`: braille codes of each cell, and the
    colours of their dots; the pixels behind them are darkened (`dark`: the ground is) or lightened until the dots
    stand out.
    """
    height, width, _ = image.shape
    if height % 2 == 0 and over is not None:
        return _with_dots(image, *over, dark)
    packed = _pack(image)
    none = np.zeros(width, np.uint8)
    last = -1 if ground is None else (ground[0] << 16) + (ground[1] << 8) + ground[2]
    rows = [packed[top : top + 2] for top in range(0, height, 2)]
    return [_row(part[0], part[1] if len(part) > 1 else np.full(width, last, np.int32), none) for part in rows]


_INK = " ░▒▓█"
STANDS_OUT = 3.0
"""Least contrast of dots to what lies behind them: WCAG 2.2's for graphical objects."""
_BRIGHT = np.array([0.2126, 0.7152, 0.0722])
"""Shares of red, green and blue (linear) in luminance."""


def shaded(image: Image, dark: bool = True) -> list[str]:
    """One line for each two rows of pixels, in five shades, for terminals of 16 colours or none.

    `dark`: the ground is dark, and much ink is bright; on a light ground it is dark.
    """
    height, width, _ = image.shape
    bright = image.astype(np.float64) @ _BRIGHT / 255
    padded = np.concatenate([bright, bright[-1:]]) if height % 2 else bright
    cells = padded.reshape(-1, 2, width).mean(axis=1)
    ink = cells if dark else 1 - cells
    return ["".join(row) for row in np.array(list(_INK))[np.rint(ink * (len(_INK) - 1)).astype(int)].tolist()]


def _with_dots(image: Image, codes: Codes, ink: Image, dark: bool) -> list[list[Segment]]:
    mean = 0.5 * (image[::2].astype(np.float64) + image[1::2])
    behind = _darkened(0.4 * mean, ink) if dark else _lightened(mean, ink)
    above = np.where(codes > 0, _pack(ink), _pack(image[::2]))
    below = np.where(codes > 0, _pack(behind), _pack(image[1::2]))
    return [_row(*row) for row in zip(above, below, codes, strict=True)]


def _darkened(ground: Floats, ink: Image) -> Image:
    """Return the ground behind dots of a colour each, as dark as a contrast of STANDS_OUT asks for (WCAG 2.2)."""
    linear, dots = _linear(ground / 255), _linear(ink / 255)
    bright, allowed = linear @ _BRIGHT, np.maximum((dots @ _BRIGHT + 0.05) / STANDS_OUT - 0.05, 0.0)
    linear *= np.minimum(1.0, allowed / np.maximum(bright, 1e-9))[..., None]
    return np.asarray(np.floor(_unlinear(linear) * 255 + 1e-6).astype(np.uint8))  # never brighter than allowed


def _lightened(ground: Floats, ink: Image) -> Image:
    """Return the ground behind dots of a colour each, as light as a contrast of STANDS_OUT asks for (WCAG 2.2)."""
    linear, dots = _linear(ground / 255), _linear(ink / 255)
    shade, allowed = 1 - linear @ _BRIGHT, np.maximum(1.05 - (dots @ _BRIGHT + 0.05) * STANDS_OUT, 0.0)
    linear = 1 - (1 - linear) * np.minimum(1.0, allowed / np.maximum(shade, 1e-9))[..., None]
    return np.asarray(np.ceil(_unlinear(linear) * 255 - 1e-6).astype(np.uint8))  # never darker than allowed


def _linear(srgb: Floats) -> Floats:
    return np.where(srgb <= 0.04045, srgb / 12.92, ((srgb + 0.055) / 1.055) ** 2.4)


def _unlinear(linear: Floats) -> Floats:
    return np.where(linear <= 0.0031308, linear * 12.92, 1.055 * np.clip(linear, 0, 1) ** (1 / 2.4) - 0.055)


def _pack(image: Image) -> NDArray[np.int32]:
    """Each pixel as one number 0xRRGGBB."""
    return np.asarray(image.astype(np.int32) @ np.array([65536, 256, 1], np.int32))


def _row(upper: NDArray[np.int32], lower: NDArray[np.int32], codes: Codes) -> list[Segment]:
    """Return the cells of one line; neighbours that look the same share a segment."""
    changes = (np.diff(upper) != 0) | (np.diff(lower) != 0) | (np.diff(codes) != 0)
    edges = [0, *(np.flatnonzero(changes) + 1).tolist(), len(upper)]
    above, below, dots = upper.tolist(), lower.tolist(), codes.tolist()
    row = []
    for start, end in itertools.pairwise(edges):
        one, other = above[start], below[start]
        if dots[start]:
            row.append(Segment(str(BRAILLE[dots[start]]) * (end - start), _dots_style(one, other)))
        else:
            row.append(Segment((" " if one == other else "▀") * (end - start), _style(one, other)))
    return row


@lru_cache(maxsize=65536)
def _dots_style(ink: int, behind: int) -> Style:
    return Style(color=_color(ink), bgcolor=_color(behind), bold=True)


@lru_cache(maxsize=65536)
def _style(upper: int, lower: int) -> Style:
    """Style of a cell; two equal pixels are a space on their colour, so that no font can leave a seam."""
    below = None if lower < 0 else _color(lower)
    return Style.from_color(None, below) if upper == lower else Style.from_color(_color(upper), below)


@lru_cache(maxsize=65536)
def _color(packed: int) -> Color:
    return Color.from_rgb(packed >> 16, packed >> 8 & 255, packed & 255)
