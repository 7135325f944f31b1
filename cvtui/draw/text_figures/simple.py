"""Tables, bars, words, matrices and small pictures."""

from __future__ import annotations

import math
import textwrap
from string import ascii_letters

import numpy as np
from rich.text import Text

from cvtui.draw.bars import filled_bar
from cvtui.draw.figures import Bars, Image, Matrix, Paragraph, Picture, Table
from cvtui.draw.half_blocks import resize, segments
from cvtui.draw.text_figures.frame import beside, colour_of, text_lines
from cvtui.text import compact

GREYS = " ·:-=+*#%@"
SHORT = 4
"""Signs of a number that a matrix shows as it is: 3.25 stays 3.25."""


def draw_simple(figure: Table | Bars | Paragraph | Matrix | Image, width: int, colour: bool) -> list[Text]:
    match figure:
        case Table():
            return draw_table(figure, width)
        case Bars():
            return draw_bars(figure, width, colour)
        case Paragraph():
            return [Text(line) for part in figure.text.splitlines() for line in textwrap.wrap(part, width) or [""]]
        case Matrix():
            return draw_matrix(figure, width, colour)
        case Image():
            return draw_image(figure, width, colour)


def draw_table(figure: Table, width: int) -> list[Text]:
    """Columns as wide as their content, the first one cut where there is no room; numbers to the right."""
    rows = [figure.columns, *figure.rows]
    widths = [max(len(row[index]) for row in rows if index < len(row)) for index in range(len(figure.columns))]
    room = width - sum(widths[1:]) - 2 * (len(widths) - 1)
    widths[0] = max(6, min(widths[0], room))
    numeric = [all(_is_number(row[index]) for row in figure.rows) for index in range(len(widths))]
    lines = []
    for number, row in enumerate(rows):
        cells = []
        for cell, space, right in zip(row, widths, numeric, strict=False):
            shown = cell if len(cell) <= space else cell[: space - 1] + "…"
            cells.append(f"{shown:>{space}}" if right else f"{shown:<{space}}")
        lines.append(Text("  ".join(cells)[:width].rstrip(), style="bold" if number == 0 else ""))
    return lines


def _is_number(text: str) -> bool:
    return not text or text[0].isdigit() or (text[0] in "+−-.–" and not text[1:2].isalpha())


def draw_bars(figure: Bars, width: int, colour: bool) -> list[Text]:
    names = max((len(bar.name) for bar in figure.bars), default=0)
    texts = [bar.text or compact(bar.value, 4) for bar in figure.bars]
    room = max(4, width - names - 2 - max(map(len, texts), default=0) - 1)
    lengths = _lengths(figure)
    lines = []
    for number, (bar, text, length) in enumerate(zip(figure.bars, texts, lengths, strict=True)):
        drawn = filled_bar(length, room).rstrip()
        line = Text(f"{bar.name:<{names}}  ")
        lines.append(line.append(drawn, style=colour_of(number) if colour else "").append(f" {text}"))
    return lines


def _lengths(figure: Bars) -> list[float]:
    """Shares of the full length."""
    values = [bar.value if bar.value is not None and math.isfinite(bar.value) else 0.0 for bar in figure.bars]
    if not figure.log:
        most = max(map(abs, values), default=0.0) or 1.0
        return [abs(value) / most for value in values]
    positive = [value for value in values if value > 0]
    low = math.log10(min(positive, default=1.0)) - 0.5
    high = max(math.log10(max(positive, default=1.0)), low + 1e-9)
    return [max(0.0, (math.log10(value) - low) / (high - low)) if value > 0 else 0.0 for value in values]


_LETTERS = ascii_letters + "0123456789"


def _sign(group: int) -> str:
    """Return the letter of a parameter, for matrices without colours; those of very many come round again."""
    return _LETTERS[(group - 1) % len(_LETTERS)] if group else ""


def draw_matrix(figure: Matrix, width: int, colour: bool) -> list[Text]:
    """Numbers where they fit, else two cells an entry, else one; those of one parameter share a colour, or a letter."""
    columns = max((len(row) for row in figure.values), default=0)
    texts = [[_entry(value) for value in row] for row in figure.values]
    if figure.groups and not colour:
        signs = [[_sign(group) for group in row] for row in figure.groups]
        texts = [[text + sign for text, sign in zip(*rows, strict=True)] for rows in zip(texts, signs, strict=True)]
    space = max((len(text) for row in texts for text in row), default=1) + 1
    as_numbers = columns * space <= width
    cell = space if as_numbers else 2 if columns * 2 <= width else 1
    lines = []
    for index, row in enumerate(texts):
        line = Text()
        for place, text in enumerate(row[: width // cell]):
            group = figure.groups[index][place] if figure.groups else int(figure.values[index][place] != 0)
            style = colour_of(group - 1) if group and colour else "dim"
            if as_numbers:
                line.append(f"{text if group else '·':>{space}}", style=style)
            else:
                sign = "█" if colour or not figure.groups else _sign(group)
                line.append((sign if group else "·") * cell if cell == 1 or group else "· ", style=style)
        lines.append(line)
    if columns > width:
        lines.append(Text(f"… {columns - width} more columns", style="dim"))
    names = [f"a row: {figure.rows}" if figure.rows else "", f"a column: {figure.columns}" if figure.columns else ""]
    words = " · ".join(name for name in names if name)
    return lines + [Text(line, style="dim") for line in textwrap.wrap(words, width)]


def _entry(value: float) -> str:
    whole = f"{value:g}"
    return whole if len(whole) <= SHORT or abs(value - round(value)) < 1e-9 else f"{value:.2g}"


def draw_image(figure: Image, width: int, colour: bool) -> list[Text]:
    """Pictures side by side with their names above, in half blocks; each pixel as large as fits, up to 3 cells wide."""
    if not figure.pictures:
        return []
    total = sum(max((len(row) for row in picture.pixels), default=1) for picture in figure.pictures)
    gaps = 2 * (len(figure.pictures) - 1)
    scale = max(1, min(3, (width - gaps) // max(1, total)))
    blocks = [_picture(picture, scale, colour) for picture in figure.pictures]
    lines = beside(blocks, [max(line.cell_len for line in block) for block in blocks], 2)
    for line in lines:
        line.truncate(width)
    return lines


def _picture(picture: Picture, scale: int, colour: bool) -> list[Text]:
    """Draw a picture; a pixel is `scale` cells wide, half a cell (scale 1) or one cell (2, 3) high."""
    pixels = picture.pixels
    wide = max((len(row) for row in pixels), default=1) * scale
    name = Text(picture.name[: max(wide, 8)])
    if not colour:
        return [name, *(Text("".join(GREYS[_grey(value) * 9 // 255] * scale for value in row)) for row in pixels)]
    packed = np.array(pixels, np.int64).reshape(len(pixels), -1)
    image = np.stack([packed >> 16, packed >> 8 & 255, packed & 255], axis=2).astype(np.uint8)
    high = len(pixels) * (2 if scale >= 2 else 1)
    return [name, *text_lines(segments(resize(image, high, wide, "nearest")))]


def _grey(value: int) -> int:
    return (299 * (value >> 16) + 587 * (value >> 8 & 255) + 114 * (value & 255)) // 1000
