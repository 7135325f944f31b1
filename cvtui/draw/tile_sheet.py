"""A sheet of tiles, one pixel apart, taken apart again."""

from __future__ import annotations

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
