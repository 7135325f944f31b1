"""Heat maps in half blocks (two pixels a cell), with contours, points and paths in braille over them."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from rich.text import Text

from cvtui.draw.figures import Heat, Points
from cvtui.draw.text_figures.curves import Axis, Dots
from cvtui.draw.text_figures.frame import PALETTE, colour_of, legend, short

Pixels = NDArray[np.float64]
"""[rows, columns, 3], red, green and blue from 0 to 1."""

SHADES = " ·:-=+*#%@"
CLASS_LETTERS = "ox+*#%&@"
_VIRIDIS = ("#440154", "#472d7b", "#3b528b", "#2c728e", "#21918c", "#28ae80", "#5ec962", "#addc30", "#fde725")
_TWO = ("#1d4f86", "#173450", "#0c0c0c", "#503c17", "#865a14")
_DIVERGING = ("#2166ac", "#4a90c8", "#9ac4de", "#e8e8e8", "#f6b78c", "#d9653f", "#b2182b")


def rgb(colour: str) -> NDArray[np.float64]:
    """`#rrggbb` as three numbers from 0 to 1."""
    return np.array([int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5)])


def hexes(colour: NDArray[np.float64]) -> str:
    red, green, blue = (round(255 * float(min(1.0, max(0.0, part)))) for part in colour)
    return f"#{red:02x}{green:02x}{blue:02x}"


def colours(share: NDArray[np.float64], names: tuple[str, ...]) -> Pixels:
    """Shares 0..1 (NaN is grey) on a row of colours, with straight lines between them."""
    anchors = np.array([rgb(name) for name in names])
    place = np.clip(np.nan_to_num(share, nan=0.0), 0.0, 1.0) * (len(names) - 1)
    lower = np.minimum(place.astype(int), len(names) - 2)
    part = (place - lower)[..., None]
    mixed: Pixels = anchors[lower] * (1 - part) + anchors[lower + 1] * part
    mixed[np.isnan(share)] = 0.5
    return mixed


def resample(values: NDArray[np.float64], rows: int, columns: int, smooth: bool) -> NDArray[np.float64]:
    """To rows x columns: by the nearest value, or (smooth) on straight lines between them."""
    y = (np.arange(rows) + 0.5) / rows * values.shape[0] - 0.5
    x = (np.arange(columns) + 0.5) / columns * values.shape[1] - 0.5
    if not smooth:
        nearest: NDArray[np.float64] = values[np.rint(y).astype(int)][:, np.rint(x).astype(int)]
        return nearest
    y, x = np.clip(y, 0, values.shape[0] - 1), np.clip(x, 0, values.shape[1] - 1)
    y0, x0 = np.floor(y).astype(int), np.floor(x).astype(int)
    y1, x1 = np.minimum(y0 + 1, values.shape[0] - 1), np.minimum(x0 + 1, values.shape[1] - 1)
    fy, fx = (y - y0)[:, None], (x - x0)[None, :]
    top = values[y0][:, x0] * (1 - fx) + values[y0][:, x1] * fx
    bottom = values[y1][:, x0] * (1 - fx) + values[y1][:, x1] * fx
    mixed: NDArray[np.float64] = top * (1 - fy) + bottom * fy
    return mixed


def shares(values: NDArray[np.float64], figure: Heat) -> NDArray[np.float64]:
    """Values on 0..1 between the figure's low and high (or the lowest and highest there)."""
    finite = values[np.isfinite(values)]
    low = figure.low if figure.low is not None else float(finite.min()) if len(finite) else 0.0
    high = figure.high if figure.high is not None else float(finite.max()) if len(finite) else 1.0
    scaled: NDArray[np.float64] = (values - low) / (high - low if high > low else 1.0)
    return scaled


def draw_heat(figure: Heat, width: int, height: int, colour: bool) -> list[Text]:
    """The map, `height` lines high, and below it the axes' ranges, the colours' meaning and the names over it."""
    values = np.array([[np.nan if v is None else v for v in row] for row in figure.values], np.float64)
    grid = values[::-1] if values.size else np.full((1, 1), np.nan)  # the highest y is drawn at the top
    smooth = figure.colours not in ("classes", "picture")
    sampled = resample(grid, 2 * height, width, smooth)
    lines = _drawn(figure, sampled, colour) if colour else _plain(figure, sampled)
    return lines + _below(figure, values, width, colour)


def _drawn(figure: Heat, sampled: NDArray[np.float64], colour: bool) -> list[Text]:
    pixels = _painted(figure, sampled)
    rows, width = sampled.shape
    _contours(figure, sampled, pixels)
    for number, group in enumerate(figure.points):
        x, y = _places(figure, group, width, rows)
        pixels[y, x] = rgb(colour_of(number)) * (0.75 if not figure.values else 1.0) + (0.25 if figure.values else 0.0)
    dots = Dots(width, rows // 2)
    for number, path in enumerate(figure.paths):
        x_dots = Axis(figure.x_low, figure.x_high, False).place(_array(path.x), 2 * width)
        y_dots = 2 * rows - 1 - Axis(figure.y_low, figure.y_high, False).place(_array(path.y), 2 * rows)
        dots.line(x_dots, y_dots, number)
    return [_line(pixels, dots, row) for row in range(rows // 2)]


def _array(values: list[float | None]) -> NDArray[np.float64]:
    return np.array([np.nan if value is None else value for value in values], np.float64)


def _painted(figure: Heat, sampled: NDArray[np.float64]) -> Pixels:
    if not figure.values:
        return np.full((*sampled.shape, 3), 0.1)
    match figure.colours:
        case "classes":
            table = np.array([rgb(name) for name in PALETTE]) * 0.45
            painted: Pixels = table[np.nan_to_num(sampled).astype(int) % len(table)]
            return painted
        case "picture":
            return colours(shares(sampled, figure), ("#000000", "#ffffff"))
        case "two":
            return colours(shares(sampled, figure), _TWO)
        case "diverging":
            return colours(shares(sampled, figure), _DIVERGING)
        case _:
            return colours(shares(sampled, figure), _VIRIDIS)


def _contours(figure: Heat, sampled: NDArray[np.float64], pixels: Pixels) -> None:
    """Pixels beside which a level is crossed become lighter."""
    for level in figure.levels:
        above = sampled >= level
        edge = np.zeros_like(above)
        edge[:, :-1] |= above[:, :-1] != above[:, 1:]
        edge[:-1] |= above[:-1] != above[1:]
        pixels[edge] = 0.6 * pixels[edge] + 0.4


def _places(figure: Heat, group: Points, width: int, rows: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Pixel columns and rows of the points that lie inside."""
    x, y = _array(group.x), _array(group.y)
    columns = np.floor((x - figure.x_low) / (figure.x_high - figure.x_low) * width)
    lines = np.floor((figure.y_high - y) / (figure.y_high - figure.y_low) * rows)
    inside = (columns >= 0) & (columns < width) & (lines >= 0) & (lines < rows)  # False for NaN too
    return columns[inside].astype(np.int64), lines[inside].astype(np.int64)


def _line(pixels: Pixels, dots: Dots, row: int) -> Text:
    top, bottom = pixels[2 * row], pixels[2 * row + 1]
    fronts, backs, behind = _codes(top), _codes(bottom), _codes(0.2 * (top + bottom))
    paths = {int(owner): hexes(0.9 * rgb(colour_of(int(owner))) + 0.1) for owner in set(dots.owner[row].tolist())}
    text = Text()
    for column, (bits, owner) in enumerate(zip(dots.cells[row].tolist(), dots.owner[row].tolist(), strict=True)):
        if bits:
            text.append(chr(0x2800 + int(bits)), style=f"bold {paths[int(owner)]} on {behind[column]}")
        else:
            text.append("▀", style=f"{fronts[column]} on {backs[column]}")
    return text


def _codes(line: Pixels) -> list[str]:
    """`hexes` of a whole line of pixels at once (a map has thousands of them)."""
    levels = np.rint(np.clip(line, 0.0, 1.0) * 255).astype(np.int64)
    return [f"#{code:06x}" for code in (levels @ np.array([65536, 256, 1])).tolist()]


def _plain(figure: Heat, sampled: NDArray[np.float64]) -> list[Text]:
    """Without colour: denser characters for higher values, a letter a class, braille paths."""
    rows, width = sampled.shape
    values = sampled[::2]
    if not figure.values:
        cells = np.full(values.shape, " ")
    elif figure.colours == "classes":
        cells = np.array(list(" ·-:=~,;"))[np.nan_to_num(values).astype(int) % 8]
    else:
        scaled = np.clip(np.nan_to_num(shares(values, figure)), 0, 1)
        cells = np.array(list(SHADES))[np.rint(scaled * (len(SHADES) - 1)).astype(int)]
    for number, group in enumerate(figure.points):
        x, y = _places(figure, group, width, rows)
        cells[y // 2, x] = CLASS_LETTERS[number % len(CLASS_LETTERS)]
    for number, path in enumerate(figure.paths):
        x, y = _places(figure, path, width, rows)
        cells[y // 2, x] = str(number + 1)
    return [Text("".join(line)) for line in cells]


def _below(figure: Heat, values: NDArray[np.float64], width: int, colour: bool) -> list[Text]:
    """Ranges of the axes and of the colours; names of points and paths."""
    words = []
    if figure.x_label:
        words.append(f"{figure.x_label} {short(figure.x_low)} to {short(figure.x_high)}")
    if figure.y_label:
        words.append(f"{figure.y_label} {short(figure.y_low)} to {short(figure.y_high)}")
    finite = values[np.isfinite(values)] if values.size else values
    if figure.value_label and finite.size:
        low = figure.low if figure.low is not None else float(finite.min())
        high = figure.high if figure.high is not None else float(finite.max())
        words.append(f"{figure.value_label}: dark {short(low)}, light {short(high)}")
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
    paths = [(p.name, colour_of(n)) if colour else (f"{n + 1} {p.name}", "") for n, p in enumerate(figure.paths)]
    return lines + legend([item for item in paths if item[0]], width)
