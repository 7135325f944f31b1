"""What all figures share: title and note around a picture, pictures side by side, numbers and ticks in few letters."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence

from rich.segment import Segment
from rich.text import Text

from cvtui.draw.figures import Figure

PALETTE = ("#468bdb", "#c4770a", "#2f9c4e", "#e25560", "#a375cf", "#1f98a3", "#968a20", "#c96d9f", "#818a94", "#b57d50")
"""Colours of curves, classes and parameters; each has a contrast of 3 and more to black and to white (WCAG 2.2)."""


def colour_of(index: int) -> str:
    return PALETTE[index % len(PALETTE)]


def framed(figure: Figure, picture: list[Text], width: int) -> list[Text]:
    """Title, picture and note."""
    title = [Text(line, style="bold") for line in textwrap.wrap(figure.title, width)]
    if figure.abreast > 1 and len(title) > 1:  # pictures side by side begin on the same line
        title = [Text(figure.title[: width - 1].rstrip() + "…", style="bold")]
    note = [Text(line, style="dim") for line in textwrap.wrap(figure.note, width)]
    return title + picture + note


def beside(blocks: Sequence[list[Text]], widths: Sequence[int], gap: int) -> list[Text]:
    """Blocks of lines side by side, each cut and filled to its width."""
    lines = []
    for index in range(max(map(len, blocks))):
        line = Text()
        for number, (block, width) in enumerate(zip(blocks, widths, strict=True), 1):
            part = block[index].copy() if index < len(block) else Text()
            part.truncate(width)
            if number < len(blocks):
                part.pad_right(width - part.cell_len + gap)
            line.append_text(part)
        lines.append(line)
    return lines


def text_lines(rows: Sequence[Sequence[Segment]]) -> list[Text]:
    """Rows of segments as lines of text."""
    return [Text.assemble(*((part.text, part.style or "") for part in row)) for row in rows]


def legend(names: Sequence[tuple[str, str]], width: int, *, mark: str = "━", marks: Sequence[str] = ()) -> list[Text]:
    """Names with their styles, as many lines as they need; `marks`: one a name, instead of the same for all."""
    lines = [Text()]
    for number, (name, style) in enumerate(names):
        item = Text.assemble((f"{marks[number] if marks else mark} ", style), name)
        item.truncate(width)
        if lines[-1].cell_len and lines[-1].cell_len + 2 + item.cell_len > width:
            lines.append(Text())
        if lines[-1].cell_len:
            lines[-1].append("  ")
        lines[-1].append_text(item)
    return lines if lines[0].cell_len else []
