"""Histograms as strips of eighth blocks: a row a layer, a column a scheme."""

from __future__ import annotations

from rich.text import Text

from cvtui.draw import blocks
from cvtui.draw.figures import HistogramRow, Histograms
from cvtui.draw.text_figures.frame import colour_of


def draw_histograms(figure: Histograms, width: int, colour: bool) -> list[Text]:
    """Draw a heading per column, then for each row its name, the strips, and below them their texts."""
    columns = list(dict.fromkeys(row.column for row in figure.rows))
    names = list(dict.fromkeys(row.name for row in figure.rows))
    margin = max(map(len, names), default=0) + 1
    each = (width - margin) // max(1, len(columns)) - 1
    table = {(row.name, row.column): row for row in figure.rows}
    lines = []
    if any(columns):
        heading = Text(" " * margin)
        for number, column in enumerate(columns):
            heading.append(f"{column[:each]:<{each}} ", style=f"bold {colour_of(number)}" if colour else "bold")
        lines.append(heading)
    for name in names:
        rows = [table.get((name, column)) for column in columns]
        lines += _row(name, rows, margin, each, colour)
    return lines


def _row(name: str, rows: list[HistogramRow | None], margin: int, each: int, colour: bool) -> list[Text]:
    first, second = Text(f"{name:<{margin}}"), Text(" " * margin)
    one_line = all(row is None or not row.text or each - len(row.text) > 20 for row in rows)
    for number, row in enumerate(rows):
        text = row.text if row else ""
        space = each - len(text) - 1 if one_line and text else each
        drawn = blocks.histogram(row.counts, space) if row and row.counts else " " * space
        first.append(drawn, style=colour_of(number) if colour else "")
        first.append(f" {text} " if one_line and text else " ")
        second.append(f"{text[:each]:<{each}} ")
    return [first] if one_line else [first, second]
