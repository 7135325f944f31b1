"""Curves as text: the picture of the plot (`cvtui.draw.plot_drawing`), its legend above and its axes' names below."""

from __future__ import annotations

import numpy as np
from rich.style import Style
from rich.text import Text

from cvtui.draw.figures import Curves
from cvtui.draw.plot_data import Line, Track
from cvtui.draw.plot_drawing import RasterCache, draw
from cvtui.draw.plot_scene import Scene
from cvtui.draw.scales import Floats
from cvtui.draw.text_figures.frame import colour_of, legend, text_lines

_STYLES = {"axis": Style(dim=True), "name": Style(dim=True), "warning": Style(color="yellow")}


def draw_curves(figure: Curves, width: int, height: int, colour: bool) -> list[Text]:
    """Legend, then `height` lines of plot and ticks, with the axes' names in the last one or a line of their own."""
    # The first curve lies on top, so it comes last.
    numbers = reversed(range(len(figure.curves)))
    scene = Scene(
        tracks=[Track(_line(figure, number)) for number in numbers],
        x_kind="step" if figure.whole_x else "number",
        x_label="",
        log_x=figure.log_x,
        log_y=figure.log_y,
        legend=False,
        grid=False,
        empty="no data yet",
    )
    picture = draw(scene, width, height, RasterCache())
    rows = text_lines(picture.canvas.segments(lambda name: style_of(name) if colour else Style.null()))
    names = "  ".join(name for name in (figure.x_label, figure.y_label and f"(up: {figure.y_label})") if name)
    if picture.frame is not None and picture.frame.label_row is not None and names:
        _name_axes(rows, names[:width], width, "dim" if colour else "")
    return legend([(c.name, _legend_style(figure, n, colour)) for n, c in enumerate(figure.curves)], width) + rows


def style_of(name: str) -> Style:
    """Style of a name in the plot's canvas: `axis`, `#rrggbb`, `dim #rrggbb` …."""
    color = name.removeprefix("dim ")
    if color.startswith("#"):
        return Style(color=color, dim=color != name)
    return _STYLES.get(name, Style.null())


def array(values: list[float] | list[float | None]) -> Floats:
    return np.array([np.nan if value is None else value for value in values], np.float64)


def _line(figure: Curves, number: int) -> Line:
    curve = figure.curves[number]
    return Line(curve.name, array(curve.x), array(curve.y), color=colour_of(number), dim=curve.dim, gaps=False)


def _legend_style(figure: Curves, number: int, colour: bool) -> str:
    if not colour:
        return ""
    return f"{colour_of(number)} dim" if figure.curves[number].dim else colour_of(number)


def _name_axes(rows: list[Text], names: str, width: int, style: str) -> None:
    """Put the names at the right end of the x labels, where one may give way; below them where more would have to."""
    labels = rows[-1]
    labels.rstrip()
    room = width - len(names) - 2
    kept = labels.plain[:room] if labels.plain[room : room + 1] in ("", " ") else labels.plain[:room].rpartition(" ")[0]
    if len(kept.split()) + 1 >= len(labels.plain.split()) >= 3 or kept == labels.plain:
        labels.truncate(len(kept))
    else:
        rows.append(labels := Text())
    labels.pad_right(width - labels.cell_len - len(names))
    labels.append(names, style=style)
