"""Layout of the panes for a given size: a pure function from a size to slots. Tested without Textual.

A slot shows one of its panes at a time, its title holds the names of the others (tabs). The smaller the room, the
fewer slots; in the smallest all panes share one. The grids name the panes that have a slot of their own; the others
share the slot `REST` of their kind, so a new pane needs no line here.
"""

from __future__ import annotations

from dataclasses import dataclass

REST = ("…",)
"""Stands in a grid for all panes of the kind (curves above, tables below) that have no slot there by name."""


@dataclass(frozen=True, slots=True)
class Slot:
    """A rectangle in cells, from the grid's top left corner, and the panes that share it."""

    x: int
    y: int
    width: int
    height: int
    panes: tuple[str, ...]


def plan(
    width: int, height: int, curves: tuple[str, ...], tables: tuple[str, ...], layer_rows: int = 12, alone: str = ""
) -> list[Slot]:
    """Return slots that tile width x height without gaps.

    `curves`, `tables`: the panes of each kind, in the order of their tabs. `layer_rows`: rows of the layers table.
    `alone`: the maximised pane.
    """
    if width <= 0 or height <= 0:
        return []
    if alone:
        return [Slot(0, 0, width, height, (alone,))]
    table = layer_rows + 3  # its heading and the border
    if width >= 150 and height >= 30:
        return _grid(width, height, table, _filled(_LARGE, curves, tables))
    if width >= 112 and height >= 24:
        return _grid(width, height, table, _filled(_MEDIUM, curves, tables))
    if width >= 96 and height >= 22:
        return _grid(width, height, table, _filled(_SMALL, curves, tables))
    if height >= 30:
        upper = _upper(height, table)
        return [
            Slot(0, 0, width, upper, curves),
            Slot(0, upper, width, height - upper, tables),
        ]
    if width >= 140:
        left = width // 2
        return [
            Slot(0, 0, left, height, curves),
            Slot(left, 0, width - left, height, tables),
        ]
    return [Slot(0, 0, width, height, (*curves, *tables))]


@dataclass(frozen=True, slots=True)
class _Grid:
    """Two rows of slots; shares of the width are out of 100. A column of the lower row may hold two slots."""

    upper: tuple[tuple[int, tuple[str, ...]], ...]
    lower: tuple[tuple[int, tuple[tuple[str, ...], ...]], ...]


_LARGE = _Grid(
    upper=((50, ("loss",)), (25, ("accuracy",)), (25, REST)),
    lower=((66, (("layers",),)), (34, (("prediction", "values"), REST))),
)
_MEDIUM = _Grid(upper=((50, ("loss",)), (50, REST)), lower=((62, (("layers",),)), (38, (REST,))))
_SMALL = _Grid(upper=((54, ("loss",)), (46, REST)), lower=((100, (REST,)),))


def _filled(grid: _Grid, curves: tuple[str, ...], tables: tuple[str, ...]) -> _Grid:
    """Return the grid with the remaining panes of each kind in place of REST."""
    named = {name for _, panes in grid.upper for name in panes}
    named |= {name for _, column in grid.lower for panes in column for name in panes}
    rest_curves = tuple(name for name in curves if name not in named)
    rest_tables = tuple(name for name in tables if name not in named)
    return _Grid(
        upper=tuple((share, rest_curves if panes == REST else panes) for share, panes in grid.upper),
        lower=tuple(
            (share, tuple(rest_tables if panes == REST else panes for panes in column)) for share, column in grid.lower
        ),
    )


def _upper(height: int, table: int) -> int:
    """Return the height of the curves: what the table leaves, but from 40 % to 62 %."""
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
