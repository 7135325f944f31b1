"""Curves as text: the picture of the plot (`cvtui.draw.plot_drawing`), its legend above and its axes' names below."""

from __future__ import annotations

from string import ascii_lowercase

import numpy as np
from rich.style import Style
from rich.text import Text

from cvtui.draw.figures import Curves
from cvtui.draw.plot_data import DASHES, Line, Track
from cvtui.draw.plot_drawing import RasterCache, draw
from cvtui.draw.plot_scene import Scene
from cvtui.draw.scales import Floats
from cvtui.draw.text_figures.frame import colour_of, legend, text_lines

_STYLES = {"axis": Style(dim=True), "name": Style(dim=True), "warning": Style(color="yellow")}


def draw_curves(figure: Curves, width: int, height: int, colour: bool) -> list[Text]:
    """Legend, then `height` lines of plot and ticks, with the axes' names in the last one or a line of their own."""
    lines = _lines(figure, colour)  # the first curve lies on top, so it comes last
    scene = Scene(
        tracks=[Track(line) for line in reversed(lines)],
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
    marks = [line.label or DASHES[line.dash % len(DASHES)][0] for line in lines]
    names_and_styles = [(c.name, _legend_style(figure, n, colour)) for n, c in enumerate(figure.curves)]
    return legend(names_and_styles, width, marks=marks) + rows


def style_of(name: str) -> Style:
    """Style of a name in the plot's canvas: `axis`, `#rrggbb`, `dim #rrggbb` …."""
    name = name.removeprefix("words ")
    color = name.removeprefix("dim ")
    if color.startswith("#"):
        return Style(color=color, dim=color != name)
    return _STYLES.get(name, Style.null())


def array(values: list[float] | list[float | None]) -> Floats:
    return np.array([np.nan if value is None else value for value in values], np.float64)


def _lines(figure: Curves, colour: bool) -> list[Line]:
    """Curves differ by dash too; and by a letter on them, without colour or where the dashes don't suffice."""
    told = [curve for curve in figure.curves if not (curve.dim and colour)]  # faint ones: by their colour
    lettered = len(told) > 1 and (not colour or len(told) > len(DASHES))
    lines = []
    for number, curve in enumerate(figure.curves):
        place = sum(not (before.dim and colour) for before in figure.curves[:number])
        plain = curve.dim and colour
        dash, label = (0, "") if plain else (place, ascii_lowercase[place % 26] if lettered else "")
        x, y = array(curve.x), array(curve.y)
        lines.append(Line(curve.name, x, y, color=colour_of(number), dim=curve.dim, dash=dash, label=label, gaps=False))
    return lines


def _legend_style(figure: Curves, number: int, colour: bool) -> str:
    if not colour:
        return ""
    return f"{colour_of(number)} dim" if figure.curves[number].dim else colour_of(number)


def _name_axes(rows: list[Text], names: str, width: int, style: str) -> None:
    """Put the names at the right end of the x labels; below them where one would have to give way."""
    labels = rows[-1]
    labels.rstrip()
    if labels.cell_len + 2 + len(names) > width:
        rows.append(labels := Text())
    labels.pad_right(width - labels.cell_len - len(names))
    labels.append(names, style=style)
