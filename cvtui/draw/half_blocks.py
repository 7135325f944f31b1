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

from cvtui.draw.scales import Array, Floats

Image: TypeAlias = NDArray[np.uint8]
"""(height, width, 3), sRGB."""
MapName: TypeAlias = Literal["magma", "viridis", "diverging"]

_STOPS: dict[str, str] = {
    "magma": "000004 180f3d 440f76 721f81 9e2f7f cd4071 f1605d fd9668 feca8d fcfdbf",
    "viridis": "440154 482878 3e4989 31688e 26828e 1f9e89 35b779 6ece58 b5de2b fde725",
    "diverging": "7fc8ff 3b8fd6 1f5a94 173654 151515 572a18 9c4a1c dd7a2b ffc27d",
    "diverging light": "084a8c 2f7fc1 7db5e0 c5deef f7f7f7 f9d3b4 eb9a5c c65c1a 7d2d04",
}
"""Colours at equal distances. magma and viridis: matplotlib's, by S. van der Walt and N. Smith (CC0), whose lightness
rises evenly; diverging: equally far from the ground on both sides of zero."""


@lru_cache(maxsize=8)
def colour_map(name: MapName, dark: bool = True) -> Image:
    """256 colours, (256, 3). Little looks like the ground, much stands out: bright on dark, dark on light."""
    stops = _STOPS["diverging light" if name == "diverging" and not dark else name].split()
    points = _to_oklab(np.array([[int(stop[at : at + 2], 16) for at in (0, 2, 4)] for stop in stops], np.float64) / 255)
    places = np.linspace(0, len(stops) - 1, 256)
    mixed = np.stack([np.interp(places, np.arange(len(stops)), points[:, part]) for part in range(3)], axis=1)
    table = np.rint(_from_oklab(mixed) * 255).astype(np.uint8)
    if not dark and name != "diverging":
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
    linear = np.where(srgb <= 0.04045, srgb / 12.92, ((srgb + 0.055) / 1.055) ** 2.4)
    return np.asarray(np.cbrt(linear @ _M1.T) @ _M2.T)


def _from_oklab(lab: Floats) -> Floats:
    linear = (lab @ np.linalg.inv(_M2).T) ** 3 @ np.linalg.inv(_M1).T
    linear = np.clip(linear, 0, 1)
    return np.asarray(np.where(linear <= 0.0031308, linear * 12.92, 1.055 * linear ** (1 / 2.4) - 0.055))


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
    given = np.asarray(values, dtype=np.float64)
    good = np.isfinite(given)
    low = float(given[good].min(initial=np.inf)) if low is None and good.any() else (low or 0.0)
    high = float(given[good].max(initial=-np.inf)) if high is None and good.any() else (high or 0.0)
    span = high - low
    with np.errstate(all="ignore"):
        shares = np.where(good, (given - low) / span if span > 0 else 0.0, 0.0)
    image = table[np.clip(np.rint(shares * 255), 0, 255).astype(np.uint8)]
    image[~good] = missing
    return np.asarray(image)


def resize(image: Array, height: int, width: int) -> Array:
    """An image (h, w) or (h, w, c) in another size: the mean of what falls on a pixel when it gets smaller, the nearest
    when it gets larger; each direction on its own."""
    for axis, size in ((0, height), (1, width)):
        image = _resized(image, axis, size)
    return image


def _resized(image: Array, axis: int, size: int) -> Array:
    old = image.shape[axis]
    if size == old or size <= 0 or old == 0:
        return image
    if size > old:
        return np.asarray(np.take(image, np.arange(size) * old // size, axis=axis))
    values = np.moveaxis(image, axis, 0).astype(np.float64)
    sums = np.concatenate([np.zeros((1, *values.shape[1:])), np.cumsum(values, axis=0)])
    edges = np.linspace(0, old, size + 1)
    whole = np.minimum(edges.astype(int), old - 1)
    part = (edges - whole).reshape(-1, *[1] * (values.ndim - 1))
    at_edges = sums[whole] + part * values[whole]
    means = np.moveaxis(np.diff(at_edges, axis=0) * size / old, 0, axis)
    if np.issubdtype(image.dtype, np.integer):
        means = np.rint(means)
    return np.asarray(means.astype(image.dtype))


def stretched(values: ArrayLike, *, zero_grey: bool = False) -> Image:
    """Weights or activations (h, w, 3) or (h, w) as a picture: smallest to largest becomes 0 … 255.

    With `zero_grey` 0 becomes the middle grey, and the largest size on either side full colour: how filters are shown.
    What is not finite becomes black.
    """
    given = np.asarray(values, dtype=np.float64)
    good = np.isfinite(given)
    clean = np.where(good, given, 0.0)
    if zero_grey:
        size = float(np.abs(clean).max(initial=0.0)) or 1.0
        shares = 0.5 + clean / size / 2
    else:
        low = float(clean[good].min(initial=np.inf)) if good.any() else 0.0
        high = float(clean[good].max(initial=-np.inf)) if good.any() else 0.0
        shares = (clean - low) / (high - low) if high > low else np.full(clean.shape, 0.5)
    grey = np.where(good, np.rint(shares * 255), 0).astype(np.uint8)
    return grey if grey.ndim == 3 and grey.shape[2] == 3 else np.repeat(grey.reshape(*grey.shape[:2], 1), 3, axis=2)


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


def segments(image: Image, ground: tuple[int, int, int] | None = None) -> list[list[Segment]]:
    """One row of segments for each two rows of pixels.

    `ground`: below the last of an odd number; None: the terminal's own.
    """
    height, width, _ = image.shape
    packed = image.astype(np.int32) @ np.array([65536, 256, 1], np.int32)
    found = []
    for top in range(0, height, 2):
        upper = packed[top]
        if top + 1 < height:
            lower = packed[top + 1]
        else:
            last = -1 if ground is None else (ground[0] << 16) + (ground[1] << 8) + ground[2]
            lower = np.full(width, last, np.int32)
        cuts = np.flatnonzero((np.diff(upper) != 0) | (np.diff(lower) != 0)) + 1
        edges = [0, *cuts.tolist(), width]
        above, below = upper.tolist(), lower.tolist()
        row = []
        for start, end in itertools.pairwise(edges):
            one, other = above[start], below[start]
            text = " " if one == other else "▀"
            row.append(Segment(text * (end - start), _style(one, other)))
        found.append(row)
    return found


@lru_cache(maxsize=65536)
def _style(upper: int, lower: int) -> Style:
    """Style of a cell; two equal pixels are a space on their colour, so that no font can leave a seam."""
    below = None if lower < 0 else _color(lower)
    return Style.from_color(None, below) if upper == lower else Style.from_color(_color(upper), below)


@lru_cache(maxsize=65536)
def _color(packed: int) -> Color:
    return Color.from_rgb(packed >> 16, packed >> 8 & 255, packed & 255)
