"""Which pane goes where for a given room: a pure function from a size to slots. Tested without Textual.

A slot shows one of its panes at a time, its title holds the names of the others (tabs). The smaller the room, the
fewer slots; in the smallest all panes share one.
"""

from __future__ import annotations

from dataclasses import dataclass

PANES: tuple[str, ...] = ("loss", "accuracy", "rate", "gradient", "layers", "log", "doctor", "values", "prediction")
"""All panes, in the order in which tab goes through them."""
_CURVES, _TABLES = PANES[:4], PANES[4:]


@dataclass(frozen=True, slots=True)
class Slot:
    """A rectangle in cells, from the stage's top left corner, and the panes that share it."""

    x: int
    y: int
    width: int
    height: int
    panes: tuple[str, ...]


def plan(width: int, height: int, layer_rows: int = 12, alone: str = "") -> list[Slot]:
    """Slots that tile width x height without gaps.

    `layer_rows`: rows of the layers table; `alone`: the pane that has been maximised.
    """
    if width <= 0 or height <= 0:
        return []
    if alone:
        return [Slot(0, 0, width, height, (alone,))]
    table = layer_rows + 3  # its heading and the border
    if width >= 150 and height >= 30:
        return _grid(width, height, table, _LARGE)
    if width >= 112 and height >= 24:
        return _grid(width, height, table, _MEDIUM)
    if width >= 96 and height >= 22:
        return _grid(width, height, table, _SMALL)
    if height >= 30:
        upper = _upper(height, table)
        return [
            Slot(0, 0, width, upper, _CURVES),
            Slot(0, upper, width, height - upper, _TABLES),
        ]
    if width >= 140:
        left = width // 2
        return [
            Slot(0, 0, left, height, _CURVES),
            Slot(left, 0, width - left, height, _TABLES),
        ]
    return [Slot(0, 0, width, height, PANES)]


@dataclass(frozen=True, slots=True)
class _Grid:
    """Two rows of slots; shares of the width are out of 100. A column of the lower row may hold two slots."""

    upper: tuple[tuple[int, tuple[str, ...]], ...]
    lower: tuple[tuple[int, tuple[tuple[str, ...], ...]], ...]


_LARGE = _Grid(
    upper=((50, ("loss",)), (25, ("accuracy",)), (25, ("rate", "gradient"))),
    lower=((66, (("layers",),)), (34, (("prediction", "values"), ("log", "doctor")))),
)
_MEDIUM = _Grid(
    upper=((50, ("loss",)), (50, ("accuracy", "rate", "gradient"))),
    lower=((62, (("layers",),)), (38, (("log", "doctor", "values", "prediction"),))),
)
_SMALL = _Grid(
    upper=((54, ("loss",)), (46, ("accuracy", "rate", "gradient"))),
    lower=((100, (_TABLES,)),),
)


def _upper(height: int, table: int) -> int:
    """Height of the curves: what the table leaves, but from 40 % to 62 %."""
    return min(max(height - table, height * 40 // 100), height * 62 // 100)


def _widths(width: int, shares: list[int]) -> list[int]:
    widths = [width * share // 100 for share in shares]
    widths[0] += width - sum(widths)
    return widths


def _grid(width: int, height: int, table: int, grid: _Grid) -> list[Slot]:
    slots: list[Slot] = []
    upper = _upper(height, table)
    x = 0
    for (_, panes), wide in zip(grid.upper, _widths(width, [share for share, _ in grid.upper]), strict=True):
        slots.append(Slot(x, 0, wide, upper, panes))
        x += wide
    x = 0
    lower = height - upper
    for (_, column), wide in zip(grid.lower, _widths(width, [share for share, _ in grid.lower]), strict=True):
        y = upper
        for index, panes in enumerate(column):
            # Of two, the upper one has the prediction's nine lines, if it's not too much; the last takes what is left.
            tall = max(lower // 2, min(9, lower - 6)) if index < len(column) - 1 else upper + lower - y
            slots.append(Slot(x, y, wide, tall, panes))
            y += tall
        x += wide
    return slots
