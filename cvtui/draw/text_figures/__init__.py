"""Figures as text: what labs show (`cvtui.draw.figures`), drawn in character cells for the CLI and the Labs place.

Pure functions from a figure and a width to lines of rich's `Text`; Textual is not needed, nor imported. Braille for
curves, half blocks for heat maps and pictures, eighth blocks for histograms. Without colour everything is drawn in
characters that differ by shape.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from cvtui.draw.figures import AnyFigure, Bars, Curves, Heat, Histograms, Image, Links, Matrix, Paragraph, Table

if TYPE_CHECKING:
    from rich.text import Text

GAP = 2
"""Columns between figures that stand side by side."""

__all__ = ["draw", "draw_all"]


def draw(
    figure: AnyFigure,
    width: int,
    height: int | None = None,
    *,
    colour: bool = True,
    dark: bool = True,
    walked: float = 1.0,
) -> list[Text]:
    """Draw a figure as lines: title, picture, note; none is wider than `width` (from 20 up).

    height: lines for a figure that can have any (curves, heat); None is a good height for the width.
    dark: the ground is; on a light one little is light and much is dark.
    walked: share of each walk that is drawn.
    """
    from cvtui.draw.text_figures.frame import framed

    match figure:
        case Curves():
            from cvtui.draw.text_figures.curves import draw_curves

            return framed(figure, draw_curves(figure, width, height or max(8, min(14, width // 5)), colour), width)
        case Heat():
            from cvtui.draw.text_figures.heat import draw_heat

            high = height or max(6, min(18, width // 4))
            return framed(figure, draw_heat(figure, width, high, colour, walked, dark=dark), width)
        case Histograms():
            from cvtui.draw.text_figures.histograms import draw_histograms

            return framed(figure, draw_histograms(figure, width, colour), width)
        case Links():
            from cvtui.draw.text_figures.links import draw_links

            return framed(figure, draw_links(figure, width, colour), width)
        case Table() | Bars() | Paragraph() | Matrix() | Image():
            from cvtui.draw.text_figures.simple import draw_simple

            return framed(figure, draw_simple(figure, width, colour), width)


def draw_all(
    figures: Sequence[AnyFigure],
    width: int,
    *,
    tall: int | None = None,
    colour: bool = True,
    dark: bool = True,
    walked: float = 1.0,
) -> list[Text]:
    """All figures below each other, those that may stand side by side in rows, with an empty line between.

    tall: lines of the screen, where there is one: each figure takes at most about two thirds of them.
    dark, walked: as for `draw`.
    """
    from rich.text import Text

    from cvtui.draw.text_figures.frame import beside

    lines: list[Text] = []
    place = 0
    while place < len(figures):
        row = [figures[place]]
        most = figures[place].abreast * max(1, width // 80)
        while len(row) < most and place + len(row) < len(figures) and _fits(row[0], figures[place + len(row)]):
            row.append(figures[place + len(row)])
        place += len(row)
        columns = len(row) if most > 1 else 1
        each = (width - GAP * (columns - 1)) // columns
        if row[0].abreast > 1 and columns == 1:  # alone in a row meant for several: not blown up to the whole width
            each = min(width, width // row[0].abreast + width // 4)
        if lines:
            lines.append(Text())
        drawn = [draw(figure, each, limit(each, tall), colour=colour, dark=dark, walked=walked) for figure in row]
        lines += drawn[0] if columns == 1 else beside(drawn, [each] * len(drawn), GAP)
    return lines


def limit(width: int, tall: int | None) -> int | None:
    """Return a figure's height on a screen of `tall` lines: good for the width, at most two thirds of them."""
    return None if tall is None else max(6, min(tall * 2 // 3 - 4, width // 5 if width >= 60 else width // 4, 20))


def _fits(first: AnyFigure, second: AnyFigure) -> bool:
    return type(first) is type(second) and first.abreast == second.abreast
