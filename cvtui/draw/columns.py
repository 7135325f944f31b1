"""Which columns of a table fit side by side, and how wide each is. Standard library only."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

GAP = 2
"""Spaces between two columns."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    key: str
    title: str = ""
    align: Literal["left", "right"] = "left"
    need: int = 0
    """The columns with the highest number go first when there is no room; those with 0 stay."""
    least: int = 1
    most: int = 40
    stretch: int = 0
    """More than 0: takes a share of what is left over, up to what its longest text asks for (past `most`)."""
    keep_ends: bool = False
    """Cut in the middle: the texts are names, which differ at either end."""
    instead_of: str = ""
    """The key of a column that this one, where there is room for it, stands in for."""


def fit(columns: Sequence[Column], asked: Mapping[str, int], width: int, *, together: bool = False) -> dict[str, int]:
    """Widths of the columns that fit into `width` cells, by key and in their order.

    asked     cells that the longest text of each column needs; a column that asks for none is left out
    together  columns of equal need come or go as one, and none comes before one that is needed more: a wider table
              then only gains columns; otherwise a narrow column may take the place of a wide one
    """
    wide = {c.key: max(c.least, min(c.most, asked.get(c.key, 0))) for c in columns}
    shown: set[str] = set()
    room = width + GAP
    for need in sorted({column.need for column in columns}):
        members = [c for c in columns if c.need == need and asked.get(c.key, 0)]
        for group in [members] if together else [[column] for column in members]:
            freed = sum(wide[c.instead_of] + GAP for c in group if c.instead_of in shown)
            if need > 0 and sum(wide[c.key] + GAP for c in group) > room + freed:
                if together:
                    break
                if not group[0].stretch or room + freed - GAP < group[0].least:
                    continue
                wide[group[0].key] = room + freed - GAP
            shown -= {column.instead_of for column in group}
            shown |= {column.key for column in group}
            room += freed - sum(wide[c.key] + GAP for c in group)
        else:
            continue
        break
    _shrink(columns, wide, shown, -room)
    _stretch(columns, wide, shown, asked, room)
    return {column.key: wide[column.key] for column in columns if column.key in shown}


def _shrink(columns: Sequence[Column], wide: dict[str, int], shown: set[str], over: int) -> None:
    """Take what is too much from the columns that may stretch, the widest first."""
    while over > 0:
        movable = [c for c in columns if c.key in shown and c.stretch and wide[c.key] > c.least]
        if not movable:
            return
        widest = max(movable, key=lambda c: wide[c.key])
        wide[widest.key] -= 1
        over -= 1


def _stretch(
    columns: Sequence[Column], wide: dict[str, int], shown: set[str], asked: Mapping[str, int], left: int
) -> None:
    for column in sorted(columns, key=lambda c: -c.stretch):
        if column.key in shown and column.stretch and left > 0:
            more = min(left, max(0, asked.get(column.key, 0) - wide[column.key]))
            wide[column.key] += more
            left -= more
