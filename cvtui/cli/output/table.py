"""A plain grid for the terminal that keeps its most important columns when there is little room.

Not rich's Table: it wraps where we want to leave out, and takes 20 times as long on the thousand rows of a deep net.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, NamedTuple

from rich.cells import cell_len
from rich.console import Console
from rich.segment import Segment, Segments
from rich.style import Style

from cvtui.draw import columns as fitting
from cvtui.draw.bars import filled_bar
from cvtui.draw.columns import GAP
from cvtui.text import cut, cut_start


class TextCell(NamedTuple):
    text: str
    style: str = ""


class TextColumn(NamedTuple):
    """A column of `print_grid`: `need` as in `draw.columns`; `cells` has one per row."""

    title: str
    cells: Sequence[TextCell | str]
    side: Literal["left", "right"] = "left"
    need: int = 0
    foot: str = ""
    most: int = 60
    """Cells wider than this are cut with an ellipsis."""
    instead_of: str = ""
    """The title of a column that this one, where there is room for it, stands in for."""
    keep_end: bool = False
    """A cell that is cut loses its beginning, not its end."""

    @property
    def width(self) -> int:
        texts = [self.title, self.foot, *(cell if isinstance(cell, str) else cell.text for cell in self.cells)]
        return min(max(cell_len(text) for text in texts), self.most)


def print_grid(console: Console, columns: Sequence[TextColumn]) -> None:
    """Head, rows and, where any column has one, foot."""
    numbers = {column.title: str(number) for number, column in enumerate(columns)}
    specs = [
        fitting.Column(
            key=str(n),
            need=c.need,
            least=c.width,
            most=c.width,
            instead_of=numbers[c.instead_of] if c.instead_of else "",  # the notes' title is "", too
        )
        for n, c in enumerate(columns)
    ]
    asked = {str(n): c.width for n, c in enumerate(columns) if c.need == 0 or any(map(_text, c.cells))}
    columns = [columns[int(number)] for number in fitting.fit(specs, asked, console.width)]
    rule = "─" * min(console.width, sum(column.width + GAP for column in columns) - GAP)
    segments: list[Segment] = []
    styles: dict[str, Style] = {}
    shown = [(column, column.width) for column in columns]

    def line(cells: Sequence[TextCell]) -> None:
        filled = max((number for number, cell in enumerate(cells) if cell.text), default=-1)
        for number, (cell, (column, width)) in enumerate(zip(cells[: filled + 1], shown, strict=False)):
            text = _padded(_cut(cell.text, width, column.keep_end), width, column.side, last=number == filled)
            style = styles.setdefault(cell.style, Style.parse(cell.style)) if cell.style else None
            segments.append(Segment((" " * GAP if number else "") + text, style))
        segments.append(Segment.line())

    line([TextCell(column.title, "bold") for column in columns])
    segments += [Segment(rule, Style.parse("dim")), Segment.line()]
    for row in zip(*(column.cells for column in columns), strict=True):
        line([cell if isinstance(cell, TextCell) else TextCell(cell) for cell in row])
    if any(column.foot for column in columns):
        segments += [Segment(rule, Style.parse("dim")), Segment.line()]
        line([TextCell(column.foot, "bold") for column in columns])
    console.print(Segments(segments), end="")


def bar(share: float, width: int = 4) -> str:
    """Format a share as eighth blocks and a percentage: `▊     19%`."""
    percent = f"{share:.0%}" if share >= 0.005 or share == 0 else "<1%"
    return f"{filled_bar(share, width)} {percent:>4}"


def _text(cell: TextCell | str) -> str:
    return cell if isinstance(cell, str) else cell.text


def _cut(text: str, width: int, keep_end: bool) -> str:
    if cell_len(text) <= width:
        return text
    return cut_start(text, width) if keep_end else cut(text, width)


def _padded(text: str, width: int, side: str, *, last: bool) -> str:
    length = cell_len(text)
    if side == "right":
        return " " * (width - length) + text
    return text if last else text + " " * (width - length)
