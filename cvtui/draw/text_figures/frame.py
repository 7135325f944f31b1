"""What all figures share: title and note around a picture, pictures side by side, numbers and ticks in few letters."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Sequence

from rich.text import Text

from cvtui.draw.figures import Figure

PALETTE = ("#4e9af1", "#f5a742", "#57c274", "#ef5f6b", "#b07fe0", "#45c4cf", "#d9c94a", "#f08fc0", "#9aa5b1", "#c98b5a")
"""Colours of curves, classes and parameters; each readable on black and on white."""


def colour_of(index: int) -> str:
    return PALETTE[index % len(PALETTE)]


def framed(figure: Figure, picture: list[Text], width: int) -> list[Text]:
    """Title, picture and note."""
    title = [Text(line, style="bold") for line in textwrap.wrap(figure.title, width)]
    if figure.abreast > 1 and len(title) > 1:  # pictures side by side begin on the same line
        title = [Text(figure.title[: width - 1].rstrip() + "…", style="bold")]
    note = [Text(line, style="dim") for line in textwrap.wrap(figure.note, width)]
    return title + picture + note


def beside(blocks: Sequence[list[Text]], each: int, gap: int) -> list[Text]:
    """Blocks of lines side by side, each cut and filled to `each` columns."""
    lines = []
    for index in range(max(map(len, blocks))):
        line = Text()
        for number, block in enumerate(blocks):
            part = block[index].copy() if index < len(block) else Text()
            part.truncate(each)
            if number + 1 < len(blocks):
                part.pad_right(each - part.cell_len + gap)
            line.append_text(part)
        lines.append(line)
    return lines


def short(value: float | None, digits: int = 3) -> str:
    """A number in few letters: 0.0012, 12.5, 1.3e+06; `–` where there is none."""
    if value is None or not math.isfinite(value):
        return "–"
    if value != 0 and not 1e-4 <= abs(value) < 1e5:
        mantissa, exponent = f"{value:.{digits - 1}e}".split("e")
        mantissa = mantissa.rstrip("0").rstrip(".") if "." in mantissa else mantissa
        return f"{mantissa}e{int(exponent)}"
    return f"{value:.{digits}g}" if abs(value) < 10**digits else f"{value:.0f}"


def ticks(low: float, high: float, most: int) -> list[float]:
    """At most `most` round numbers (1, 2 or 5 times a power of ten) from `low` to `high`."""
    if not high > low or most < 2:
        return [low]
    rough = (high - low) / (most - 1)
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(power * factor for factor in (1, 2, 5, 10) if power * factor >= rough * 0.999)
    first = math.ceil(low / step - 1e-9)
    found = []
    while first * step <= high + step * 1e-9:
        found.append(first * step)
        first += 1
    return found


def log_ticks(low: float, high: float, most: int) -> list[float]:
    """Round numbers on a log axis from `low` to `high` (both above 0): powers of ten, thinned; finer in short spans."""
    decades = list(range(math.ceil(math.log10(low) - 1e-9), math.floor(math.log10(high) + 1e-9) + 1))
    if len(decades) >= 2:
        every = -(-len(decades) // max(2, most))
        return [10.0**power for power in decades[::every]]
    fine = [
        factor * 10.0**power
        for power in range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
        for factor in (1, 2, 5)
    ]
    found = [value for value in fine if low * 0.999 <= value <= high * 1.001]
    return found[:most] if len(found) >= 2 else ticks(low, high, min(4, most))


def legend(names: Sequence[tuple[str, str]], width: int, *, mark: str = "━") -> list[Text]:
    """Names with their styles, as many lines as they need."""
    lines = [Text()]
    for name, style in names:
        item = Text.assemble((f"{mark} ", style), name)
        item.truncate(width)
        if lines[-1].cell_len and lines[-1].cell_len + 2 + item.cell_len > width:
            lines.append(Text())
        if lines[-1].cell_len:
            lines[-1].append("  ")
        lines[-1].append_text(item)
    return lines if lines[0].cell_len else []
