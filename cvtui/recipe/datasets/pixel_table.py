"""Tables that hold the pixels of pictures instead of naming files, and the line that makes a file of them."""

from __future__ import annotations

import json
import math
import shlex
from pathlib import Path

from cvtui.errors import RequestError
from cvtui.recipe.datasets.labels import LABEL_NAMES, key_of, number_of
from cvtui.recipe.datasets.text_table import CsvTable

LEAST = 16
"""Pixels of a picture: with fewer numbers a row holds measurements."""
SAMPLE = 5


def pixels_in(path: Path, table: CsvTable) -> RequestError | None:
    """Return the refusal of a table of pixels, with the line that makes an .npz of it; None for any other table."""
    rows = table.rows[:SAMPLE]
    for number, name in enumerate(table.header):
        counts = {_numbers(row[number]) for row in rows}
        if len(counts) == 1 and (count := counts.pop()) >= LEAST and (shape := _shape(count)):
            return _refusal(
                path, f"the {count:,} pixels of a picture in the column {name!r}", _of_cells(path, table, number, shape)
            )
    width = len(table.header)
    if width <= LEAST or not all(_is_pixel(cell) for row in rows for cell in row):
        return None
    label = next((number for number, name in enumerate(table.header) if key_of(name) in LABEL_NAMES), None)
    if label is None and _shape(width - 1):  # at one end, where several values are and least of them (a corner: 0)
        label = min((0, width - 1), key=lambda end: (len(set(table.column(end))) < 2, len(set(table.column(end)))))
    count = width - (label is not None)
    shape = _shape(count)
    if not shape or label is None:
        return _refusal(path, f"{count:,} numbers a picture and no label", "")
    return _refusal(path, f"the {count:,} pixels of a picture in each row", _of_columns(path, table, label, shape))


def _refusal(path: Path, what: str, line: str) -> RequestError:
    made = shlex.quote(f"npz:{path.with_suffix('.npz')}")
    return RequestError(
        f"data: {path.name!r} names no pictures: it holds {what}",
        hint=f"python -c {shlex.quote(line)} makes what is read: {made}"
        if line
        else "images and labels in one .npz file are read: npz:set.npz",
    )


def _of_columns(path: Path, table: CsvTable, label: int, shape: tuple[int, ...]) -> str:
    skip = int(not all(_is_pixel(name) for name in table.header))
    return (
        f'import numpy as np; a = np.loadtxt({_text(path)}, int, delimiter=",", skiprows={skip}); '
        f"np.savez({_text(path.with_suffix('.npz'))}, labels=a[:, {label}], "
        f'images=np.delete(a, {label}, 1).reshape(-1, {_joined(shape)}).astype("uint8"))'
    )


def _of_cells(path: Path, table: CsvTable, number: int, shape: tuple[int, ...]) -> str:
    others = [place for place in range(len(table.header)) if place != number]
    label = next((place for place in others if key_of(table.header[place]) in LABEL_NAMES), others[0])
    return (
        f"import csv, numpy as np; r = list(csv.DictReader(open({_text(path)}))); "
        f"np.savez({_text(path.with_suffix('.npz'))}, "
        f"labels=np.array([int(x[{_text(table.header[label])}]) for x in r]), "
        f'images=np.array([x[{_text(table.header[number])}].split() for x in r], "uint8")'
        f".reshape(-1, {_joined(shape)}))"
    )


def _text(value: object) -> str:
    """Write a text for Python in double quotes, so that a shell's single ones go around the line."""
    return json.dumps(str(value), ensure_ascii=False)


def _joined(shape: tuple[int, ...]) -> str:
    return ", ".join(map(str, shape))


def _numbers(cell: str) -> int:
    """Count the pixels in a cell `70 80 82 …`; 0 for any other."""
    parts = cell.split()
    return len(parts) if len(parts) >= LEAST and all(_is_pixel(part) for part in parts) else 0


def _is_pixel(text: str) -> bool:
    number = number_of(text.strip())
    return number is not None and 0 <= number <= 255


def _shape(count: int) -> tuple[int, ...]:
    """Return height, width and perhaps 3 channels of so many numbers, if these are those of a square; else ()."""
    for channels in (1, 3):
        side = math.isqrt(count // channels)
        if side >= 4 and side * side * channels == count:
            return (side, side, 3) if channels == 3 else (side, side)
    return ()
