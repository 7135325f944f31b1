"""Heat maps in half blocks (two pixels a cell), with contours, points and paths in braille over them."""

from __future__ import annotations

import msgspec
import numpy as np
from numpy.typing import NDArray
from rich.text import Text

from cvtui.draw import braille
from cvtui.draw.figures import Heat, Points
from cvtui.draw.half_blocks import Image, colour_map, heat, resize, rgb, segments, shares
from cvtui.draw.scales import Floats, Limits, Scale
from cvtui.draw.text_figures.curves import array
from cvtui.draw.text_figures.frame import PALETTE, colour_of, legend, text_lines
from cvtui.text import compact

SHADES = " ·:-=+*#%@"
CLASS_SHADES = " ·-:=~,;"
CLASS_LETTERS = "ox+*#%&@"
_GROUND = {True: 26, False: 250}
"""Grey behind points without values, on a dark ground and on a light one."""


def draw_heat(
    figure: Heat, width: int, height: int, colour: bool, walked: float = 1.0, *, dark: bool = True
) -> list[Text]:
    """Draw the map, `height` lines high, and below it ranges, meaning of colours, names.

    walked: share of each walk that is drawn; its number stands where it has got to. dark: as for `draw`.
    """
    if figure.steps:
        figure = msgspec.structs.replace(figure, paths=[walk_up_to(path, walked) for path in figure.paths])
    values = np.array([array(row) for row in figure.values])
    grid = values[::-1] if values.size else np.full((1, 1), np.nan)  # the highest y is drawn at the top
    sampled = resize(grid, 2 * height, width, "nearest" if figure.colours == "classes" else "smooth")
    lines = _drawn(figure, sampled, dark) if colour else _plain(figure, sampled)
    if figure.steps:
        _mark_walkers(figure, lines, width, height, colour)
    return lines + _below(figure, values, width, colour, walked, dark)


def walk_up_to(path: Points, share: float) -> Points:
    """Return the first part of a path, its start at least."""
    kept = 1 + round(share * (len(path.x) - 1))
    return path if kept >= len(path.x) else msgspec.structs.replace(path, x=path.x[:kept], y=path.y[:kept])


def _mark_walkers(figure: Heat, lines: list[Text], width: int, height: int, colour: bool) -> None:
    """Write each walk's number where its drawn part ends; nothing where it has left the map."""
    for number, path in enumerate(figure.paths):
        x, y = _dots(figure, path, width, 2 * height)
        if not len(x) or not (np.isfinite(x[-1]) and np.isfinite(y[-1])):
            continue
        column, row = round(float(x[-1])) // 2, round(float(y[-1])) // 4
        if 0 <= column < width and 0 <= row < height:
            style = f"bold {_ink_on(colour_of(number))} on {colour_of(number)}" if colour else "reverse"
            lines[row] = Text.assemble(lines[row][:column], (str(number + 1), style), lines[row][column + 1 :])


def _ink_on(ground: str) -> str:
    """Return black or white, whichever stands out more from a colour (WCAG 2.2: their luminances cross at 0.18)."""
    linear = [(part / 255 / 12.92 if part <= 10 else ((part / 255 + 0.055) / 1.055) ** 2.4) for part in rgb(ground)]
    return "#000000" if 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2] > 0.18 else "#ffffff"


def _dots(figure: Heat, path: Points, width: int, rows: int) -> tuple[Floats, Floats]:
    """Return columns and rows of a path, in dots from the upper left corner."""
    across, up = Scale(Limits(figure.x_low, figure.x_high)), Scale(Limits(figure.y_low, figure.y_high))
    return across.to_dots(array(path.x), 2 * width), 2 * rows - 1 - up.to_dots(array(path.y), 2 * rows)


def _drawn(figure: Heat, sampled: Floats, dark: bool) -> list[Text]:
    image = _painted(figure, sampled, dark)
    rows, width = sampled.shape
    _contours(figure, sampled, image, dark)
    for number, group in enumerate(figure.points):
        x, y = _pixels(figure, group, width, rows)
        ink = np.array(rgb(colour_of(number)), np.float64)
        image[y, x] = ink if not figure.values else np.clip(ink + 64, 0, 255) if dark else 0.6 * ink
    codes = np.zeros((rows // 2, width), np.uint8)
    inks = np.zeros((rows // 2, width, 3), np.uint8)
    for number, path in reversed(list(enumerate(figure.paths))):  # the first lies on top, as among curves
        own = braille.cells(braille.polyline(*_dots(figure, path, width, rows), (width, rows // 2)))
        codes |= own
        ink = np.array(rgb(colour_of(number)))
        inks[own > 0] = np.rint(0.9 * ink + 25 if dark else 0.6 * ink)
    return text_lines(segments(image, over=(codes, inks), dark=dark))


def _painted(figure: Heat, sampled: Floats, dark: bool) -> Image:
    if not figure.values:
        return np.full((*sampled.shape, 3), _GROUND[dark], np.uint8)
    if figure.colours == "classes":
        shades = np.array([rgb(name) for name in PALETTE]) * 0.45 + (0 if dark else 0.55 * 255)
        return np.asarray(np.rint(shades[np.nan_to_num(sampled).astype(int) % len(shades)]).astype(np.uint8))
    table = colour_map("two" if figure.colours == "two" else "viridis", dark)
    return heat(sampled, table, figure.low, figure.high)


def _contours(figure: Heat, sampled: Floats, image: Image, dark: bool) -> None:
    """Move the pixels beside which a level is crossed away from the ground: lighter on a dark one."""
    for level in figure.levels:
        above = sampled >= level
        edge = np.zeros_like(above)
        edge[:, :-1] |= above[:, :-1] != above[:, 1:]
        edge[:-1] |= above[:-1] != above[1:]
        image[edge] = np.rint(0.6 * image[edge] + 102 if dark else 0.8 * image[edge])


def _pixels(figure: Heat, group: Points, width: int, rows: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Pixel columns and rows of the points that lie inside."""
    x, y = array(group.x), array(group.y)
    columns = np.floor((x - figure.x_low) / (figure.x_high - figure.x_low) * width)
    lines = np.floor((figure.y_high - y) / (figure.y_high - figure.y_low) * rows)
    inside = (columns >= 0) & (columns < width) & (lines >= 0) & (lines < rows)  # False for NaN too
    return columns[inside].astype(np.int64), lines[inside].astype(np.int64)


def _plain(figure: Heat, sampled: Floats) -> list[Text]:
    """Without colour: denser characters for higher values, a letter a class, digits for paths."""
    rows, width = sampled.shape
    values = sampled[::2]
    if not figure.values:
        cells = np.full(values.shape, " ")
    elif figure.colours == "classes":
        cells = np.array(list(CLASS_SHADES))[np.nan_to_num(values).astype(int) % len(CLASS_SHADES)]
    else:
        along = np.clip(np.nan_to_num(shares(values, figure.low, figure.high)), 0, 1)
        cells = np.array(list(SHADES))[np.rint(along * (len(SHADES) - 1)).astype(int)]
    for number, group in enumerate(figure.points):
        x, y = _pixels(figure, group, width, rows)
        cells[y // 2, x] = CLASS_LETTERS[number % len(CLASS_LETTERS)]
    for number, path in reversed(list(enumerate(figure.paths))):
        x, y = _pixels(figure, path, width, rows)
        cells[y // 2, x] = str(number + 1)
    return [Text("".join(line)) for line in cells]


def _below(
    figure: Heat, values: NDArray[np.float64], width: int, colour: bool, walked: float, dark: bool
) -> list[Text]:
    """Ranges of the axes and of the colours; names of points and paths."""
    words = [f"step {round(walked * figure.steps)} of {figure.steps}"] if figure.steps else []
    if figure.x_label:
        words.append(f"{figure.x_label} {compact(figure.x_low)} to {compact(figure.x_high)}")
    if figure.y_label:
        words.append(f"{figure.y_label} {compact(figure.y_low)} to {compact(figure.y_high)}")
    finite = values[np.isfinite(values)] if values.size else values
    if figure.value_label and finite.size:
        low = figure.low if figure.low is not None else float(finite.min())
        high = figure.high if figure.high is not None else float(finite.max())
        least, most = ("sparse", "dense") if not colour else ("dark", "light") if dark else ("light", "dark")
        words.append(f"{figure.value_label}: {least} {compact(low)}, {most} {compact(high)}")
    lines = []
    line = ""
    for word in words:
        if line and len(line) + 3 + len(word) > width:
            lines.append(Text(line, style="dim"))
            line = word
        else:
            line = f"{line} · {word}" if line else word
    if line:
        lines.append(Text(line, style="dim"))
    named = [(p.name, colour_of(n) if colour else "") for n, p in enumerate(figure.points) if p.name]
    marks = [CLASS_LETTERS[n % len(CLASS_LETTERS)] for n in range(len(figure.points))]
    if colour:
        lines += legend(named, width, mark="■")
    elif named:
        lines.append(Text("  ".join(f"{mark} {name}" for mark, (name, _) in zip(marks, named, strict=False))[:width]))
    ways = [(n, p.name) for n, p in enumerate(figure.paths) if p.name]
    numbers = [str(n + 1) if figure.steps or not colour else "━" for n, _ in ways]
    return lines + legend([(name, f"bold {colour_of(n)}" if colour else "") for n, name in ways], width, marks=numbers)
