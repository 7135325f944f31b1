"""Rows of units with the edges between them, as the lecture draws connections."""

from __future__ import annotations

import numpy as np
from rich.style import Style
from rich.text import Text

from cvtui.draw.braille import cells, polyline
from cvtui.draw.figures import Link, Links
from cvtui.draw.plot_canvas import DotLayers, PlotCanvas
from cvtui.draw.text_figures.frame import colour_of, text_lines

BETWEEN = 3
"""Lines of edges between two rows of units."""


def draw_links(figure: Links, width: int, colour: bool) -> list[Text]:
    """Draw the highest layer first. Lit edges lie over the others, in their parameter's colour."""
    margin = max(map(len, figure.names), default=0) + 1
    room = width - margin
    most = max(figure.sizes)
    step = max(1, min(6, room // most))
    lines: list[Text] = []
    for layer in reversed(range(len(figure.sizes))):
        lines.append(_units(figure, layer, margin, step, most, colour))
        if layer:
            edges = [link for link in figure.links if link.layer == layer - 1]
            lines += _edges(edges, figure, layer - 1, margin, step, most, colour)
    if most > room:
        for line in lines:
            line.truncate(width)
        lines.append(Text(f"… {most - room} more units", style="dim"))
    return lines


def _column(figure: Links, layer: int, unit: int, step: int, most: int) -> int:
    """Return the column of a unit; a shorter row stands in the middle."""
    return step // 2 + unit * step + (most - figure.sizes[layer]) * step // 2


def _units(figure: Links, layer: int, margin: int, step: int, most: int, colour: bool) -> Text:
    row = [" "] * (most * step)
    lit = set(figure.lit[layer]) if layer < len(figure.lit) else set()
    name = figure.names[layer] if layer < len(figure.names) else ""
    text = Text()
    text.append(f"{name:<{margin}}", style="dim" if colour else "")
    for unit in range(figure.sizes[layer]):
        row[_column(figure, layer, unit, step, most)] = "●" if unit in lit else "○"
    for cell in row:
        text.append(cell, style="bold" if cell == "●" else "dim" if colour else "")
    return text


def _edges(edges: list[Link], figure: Links, layer: int, margin: int, step: int, most: int, colour: bool) -> list[Text]:
    layers = DotLayers(most * step, BETWEEN)
    for link in sorted(edges, key=lambda edge: edge.lit):
        above = _column(figure, layer + 1, link.target, step, most)
        x = np.array([above, _column(figure, layer, link.source, step, most)])
        # Of a crowd only the lit ones can be seen.
        if link.lit or len(edges) <= 60 or not any(edge.lit for edge in edges):
            dots = polyline(2.0 * x + 0.5, np.array([0.0, 4.0 * BETWEEN - 1]), (most * step, BETWEEN))
            layers.add(cells(dots), _style(link, edges) if colour else "", 0)
    canvas = PlotCanvas(margin + most * step, BETWEEN)
    canvas.put_dots(margin, 0, layers)
    return text_lines(canvas.segments(Style.parse))


def _style(link: Link, edges: list[Link]) -> str:
    if not link.lit and any(edge.lit for edge in edges):
        return "dim"
    return colour_of(link.group - 1) if link.group else ""
