"""A sheet of tiles, one pixel apart, taken apart again."""

from __future__ import annotations

import numpy as np

from cvtui.draw.half_blocks import Image


def split(sheet: Image, columns: int, count: int) -> list[Image]:
    """Return the first `count` tiles of a sheet (h, w, 3) with `columns` in a row; [] where it is no such sheet."""
    rows = -(-count // columns) if columns > 0 else 0
    high, wide = sheet.shape[:2]
    if rows < 1 or (wide + 1) % columns or (high + 1) % rows:
        return []
    height, width = (high + 1) // rows, (wide + 1) // columns
    if height < 2 or width < 2:
        return []
    places = [(number // columns * height, number % columns * width) for number in range(count)]
    return [sheet[top : top + height - 1, left : left + width - 1] for top, left in places]


def with_gaps(sheet: Image, columns: int, colour: tuple[int, int, int]) -> Image:
    """Return a sheet with another colour between its tiles, and where the last row has none; no tile is changed."""
    wide = sheet.shape[1]
    if columns < 2 or (wide + 1) % columns:
        return sheet
    gap = (sheet == sheet[0, (wide + 1) // columns - 1]).all(axis=2)
    across = gap.all(axis=1)
    last = int(np.flatnonzero(across).max(initial=-1)) + 1
    between = gap.all(axis=0) | across[:, None]
    between[last:] |= gap[last:].all(axis=0)
    return np.where(between[..., None], np.array(colour, np.uint8), sheet)
