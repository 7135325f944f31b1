"""Numbers to dots to braille: the part of the plot that knows nothing of a screen. Pure numpy.

A cell of the terminal holds 2 x 4 dots. Each dot column shows the smallest to the largest of its samples, and half of
the way to the neighbours' nearest samples, so that no spike is lost at any zoom and a thin line stays thin.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from cvtui.draw.min_max_pyramid import Indices, Pyramid
from cvtui.draw.scales import Array, Floats, Scale

Dots: TypeAlias = NDArray[np.bool_]
"""(4 x rows, 2 x columns), row 0 at the top."""
Codes: TypeAlias = NDArray[np.uint8]
"""(rows, columns) of braille patterns: character U+2800 + code; 0 is an empty cell."""

_WEIGHTS = np.array([[0x01, 0x08], [0x02, 0x10], [0x04, 0x20], [0x40, 0x80]], np.uint8)
BRAILLE: NDArray[np.str_] = np.array([" "] + [chr(0x2800 + code) for code in range(1, 256)])
"""The character of each code. An empty cell is a plain space: one byte on the line instead of three."""


class DotColumns(NamedTuple):
    """What a curve does in each dot column, −1 (left of the plot) to `width` (right of it)."""

    start: Indices
    end: Indices
    """y[start:end] lie in the column."""
    entry: Floats
    exit: Floats
    """Place (in dots) of the first and last sample; of the line itself in columns without samples; NaN: none."""


@dataclass(frozen=True, slots=True)
class Raster:
    """A curve in dots, and what could not be drawn."""

    dots: Dots
    lost: NDArray[np.float64]
    """(n, 2): first and last x of each run of samples that are not finite and reaches into the view."""


def rasterise(x: Array, y: Array, size: tuple[int, int], across: Scale, up: Scale, pyramid: Pyramid) -> Raster:
    """Rasterise the curve through (x, y), x sorted and finite, on `size` = (columns, rows) of cells.

    `pyramid` has taken in y, and is `positive` for a log axis. Values that are not finite, or have no place on the
    axis, break the line: nothing is joined across them. A sample between two such is a single dot.
    """
    width, height = 2 * size[0], 4 * size[1]
    if not len(x) or width <= 0 or height <= 0:
        return Raster(np.zeros((max(0, height), max(0, width)), bool), np.empty((0, 2)))
    columns = divide(x, y, width, height, across, up)
    bars = [_extent(columns, up, height, pyramid), *_joins(columns)]
    broken = _broken(columns, up, height, pyramid)
    if broken is not None:
        bars.append(broken)
    return Raster(fill(bars, width, height), lost(x, pyramid, across))


def divide(x: Array, y: Array, width: int, height: int, across: Scale, up: Scale) -> DotColumns:
    """Which samples lie in which dot column, and where the line enters and leaves it."""
    edges = np.searchsorted(x, across.from_dots(np.arange(-1, width + 2) - 0.5, width), "left")
    start, end = edges[:-1], edges[1:]
    entry, exit_ = np.full(len(start), np.nan), np.full(len(start), np.nan)
    filled = end > start
    entry[filled] = _places(y[start[filled]], up, height)
    exit_[filled] = _places(y[end[filled] - 1], up, height)
    between = np.flatnonzero(~filled & (start > 0) & (start < len(x)))
    if len(between):
        left, right = start[between] - 1, start[between]
        from_x, to_x = across.to_dots(x[left], width), across.to_dots(x[right], width)
        from_y, to_y = _places(y[left], up, height), _places(y[right], up, height)
        with np.errstate(all="ignore"):
            entry[between] = from_y + (between - 1 - from_x) / (to_x - from_x) * (to_y - from_y)
        exit_[between] = entry[between]
    return DotColumns(start, end, entry, exit_)


def _places(values: Array, up: Scale, height: int) -> Floats:
    """As `Scale.place`, with NaN for infinities too: they break the line."""
    places = up.to_dots(values, height)
    places[~np.isfinite(values)] = np.nan
    return places


class Strokes(NamedTuple):
    """Upright strokes: dot column (0 … width − 1; others are left out), lowest and highest place, both drawn."""

    column: Indices
    low: Floats
    high: Floats


def _extent(columns: DotColumns, up: Scale, height: int, pyramid: Pyramid) -> Strokes:
    """Smallest to largest of each column without a break, and the line where it passes between samples."""
    start, end = columns.start, columns.end
    number = np.arange(-1, len(start) - 1)
    whole = (end > start) & ~pyramid.bad.touched(start, end)
    low, high = columns.entry.copy(), columns.entry.copy()
    many = np.flatnonzero(whole & (end > start + 1))
    lows, highs = pyramid.reach(start[many], end[many])
    low[many], high[many] = up.to_dots(lows, height), up.to_dots(highs, height)
    shown = whole | (end == start)
    return Strokes(number[shown], np.rint(low[shown]), np.rint(high[shown]))


def _joins(columns: DotColumns) -> list[Strokes]:
    """From the last sample of a column to the first of the next: each column gets the nearer half of the way."""
    leave, come = np.rint(columns.exit[:-1]), np.rint(columns.entry[1:])
    number = np.arange(-1, len(leave) - 1)
    joined = np.abs(come - leave) > 1  # NaN compares false
    leave, come, number = leave[joined], come[joined], number[joined]
    middle = (leave + come) / 2
    rising = come > leave
    half = np.where(rising, np.floor(middle), np.ceil(middle))
    after = np.where(rising, half + 1, half - 1)
    return [
        Strokes(number, np.minimum(leave, half), np.maximum(leave, half)),
        Strokes(number + 1, np.minimum(come, after), np.maximum(come, after)),
    ]


def _broken(columns: DotColumns, up: Scale, height: int, pyramid: Pyramid) -> Strokes | None:
    """Columns that hold a break: a stroke for each run of good samples, so that the break stays open."""
    torn = np.flatnonzero((columns.end > columns.start) & pyramid.bad.touched(columns.start, columns.end))
    if not len(torn):
        return None
    start, lengths = columns.start[torn], columns.end[torn] - columns.start[torn]
    first = np.cumsum(lengths) - lengths
    values = pyramid.y[np.repeat(start - first, lengths) + np.arange(int(lengths.sum()))].astype(np.float64)
    good = pyramid.good(values)
    begins = good.copy()
    begins[1:] &= ~good[:-1]
    begins[first] = good[first]
    runs = np.flatnonzero(begins)
    if not len(runs):
        return None
    low = np.minimum.reduceat(np.where(good, values, np.inf), runs)
    high = np.maximum.reduceat(np.where(good, values, -np.inf), runs)
    column = np.repeat(torn - 1, lengths)[runs]
    return Strokes(column, np.rint(up.to_dots(low, height)), np.rint(up.to_dots(high, height)))


def fill(bars: list[Strokes], width: int, height: int) -> Dots:
    """Fill the dots of all strokes, counted from the bottom. Cost: that of the grid, however many strokes."""
    column = np.concatenate([bar.column for bar in bars])
    low = np.concatenate([bar.low for bar in bars])
    high = np.concatenate([bar.high for bar in bars])
    with np.errstate(invalid="ignore"):
        inside = (column >= 0) & (column < width) & (high >= 0) & (low <= height - 1)  # NaN compares false
    row = column[inside] * (height + 1)
    begin = row + np.maximum(low[inside], 0).astype(np.int64)
    stop = row + np.minimum(high[inside], height - 1).astype(np.int64) + 1
    size = width * (height + 1)
    change = np.bincount(begin, minlength=size) - np.bincount(stop, minlength=size)
    grid = np.cumsum(change).reshape(width, height + 1)[:, :height] > 0
    return np.asarray(grid.T[::-1])


def lost(x: Array, pyramid: Pyramid, across: Scale) -> NDArray[np.float64]:
    """(n, 2): first and last x of the runs of samples that are not finite and reach into the view."""
    runs = pyramid.lost
    if not len(runs):
        return np.empty((0, 2))
    begin, stop = np.searchsorted(x, across.limits.low, "left"), np.searchsorted(x, across.limits.high, "right")
    first = int(np.searchsorted(runs.ends, begin, "right"))
    last = int(np.searchsorted(runs.starts, stop, "left"))
    return np.stack([x[runs.starts[first:last]], x[runs.ends[first:last] - 1]], axis=1).astype(np.float64)


def markers(x: Array, y: Array, size: tuple[int, int], across: Scale, up: Scale) -> Dots:
    """Draw a small diamond (a dot and its four neighbours) at each sample in view."""
    width, height = 2 * size[0], 4 * size[1]
    dots = np.zeros((height, width), bool)
    column, row = np.rint(across.to_dots(x, width)), np.rint(_places(y, up, height))
    with np.errstate(invalid="ignore"):
        seen = (column >= 0) & (column < width) & (row >= 0) & (row < height)
    columns, rows = column[seen].astype(np.int64), height - 1 - row[seen].astype(np.int64)
    for right, down in ((0, 0), (1, 0), (-1, 0), (0, 1), (0, -1)):
        dots[np.clip(rows + down, 0, height - 1), np.clip(columns + right, 0, width - 1)] = True
    return dots


def polyline(x: Floats, y: Floats, size: tuple[int, int]) -> Dots:
    """Straight lines through points that may turn back (a path, an edge); NaN breaks it, a lone point is a dot.

    x and y in dots from the upper left corner. For a series over a sorted x, `rasterise` costs less.
    """
    width, height = 2 * size[0], 4 * size[1]
    good = np.isfinite(x) & np.isfinite(y)
    x, y = np.clip(x, -4e3, 4e3), np.clip(y, -4e3, 4e3)  # so that a segment has at most a few thousand dots
    first = np.flatnonzero(good[:-1] & good[1:])
    steps = np.ceil(np.maximum(np.abs(x[first + 1] - x[first]), np.abs(y[first + 1] - y[first]))).astype(np.int64)
    segment, step = np.repeat(first, steps), np.arange(int(steps.sum())) - np.repeat(np.cumsum(steps) - steps, steps)
    share = step / np.repeat(steps, steps)
    columns = np.rint(np.append(x[segment] + (x[segment + 1] - x[segment]) * share, x[good])).astype(np.int64)
    rows = np.rint(np.append(y[segment] + (y[segment + 1] - y[segment]) * share, y[good])).astype(np.int64)
    inside = (columns >= 0) & (columns < width) & (rows >= 0) & (rows < height)
    dots = np.zeros((height, width), bool)
    dots[rows[inside], columns[inside]] = True
    return dots


def dashed(dots: Dots, pattern: tuple[int, ...]) -> Dots:
    """Draw and leave out columns by turns, as many as the pattern says; an empty pattern draws all."""
    if not pattern:
        return dots
    period = np.repeat(np.arange(len(pattern)) % 2 == 0, pattern)
    return np.asarray(dots & np.resize(period, dots.shape[1]))


def level(size: tuple[int, int], row: int, on: int, period: int) -> Codes:
    """Draw a level line at a row of dots: the first `on` of each `period` dots (an even number)."""
    codes = np.zeros((size[1], size[0]), np.uint8)
    lit = np.arange(2 * size[0]) % period < on
    codes[row // 4] = lit[::2] * _WEIGHTS[row % 4, 0] + lit[1::2] * _WEIGHTS[row % 4, 1]
    return codes


def upright(size: tuple[int, int], column: int, every: int) -> Codes:
    """Draw an upright line at a column of dots: one dot in `every` (1, 2 or 4)."""
    codes = np.zeros((size[1], size[0]), np.uint8)
    codes[:, column // 2] = _WEIGHTS[::every, column % 2].sum()
    return codes


def cells(dots: Dots) -> Codes:
    """2 x 4 dots to a braille pattern each."""
    height, width = dots.shape
    grid = dots.reshape(height // 4, 4, width // 2, 2)
    codes = np.zeros((height // 4, width // 2), np.uint8)
    for down in range(4):
        for right in range(2):
            codes += grid[:, down, :, right] * _WEIGHTS[down, right]
    return codes
