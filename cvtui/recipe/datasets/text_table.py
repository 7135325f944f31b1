"""Tables in text files, one row a picture: .csv and .tsv, lists (`a.jpg 0`) in .txt, JSON and JSON lines."""

from __future__ import annotations

import csv
import io
import re
from pathlib import Path
from typing import NamedTuple

from cvtui import door
from cvtui.errors import RequestError
from cvtui.recipe.datasets.image_files import is_image
from cvtui.recipe.datasets.json_table import json_rows, line_rows
from cvtui.text import counted

MOST_BYTES = 1 << 30
FOLDER = "folder"
"""Header of the column that a list of paths alone gets: the name of the folder that each lies in."""


class CsvTable(NamedTuple):
    """A table as it stands in its file."""

    header: tuple[str, ...]
    rows: list[list[str]]
    notes: list[str]

    def column(self, number: int) -> list[str]:
        return [row[number].strip() for row in self.rows]


def read_table(path: Path) -> CsvTable:
    """Read a table with commas, tabs, semicolons or bars, a list, or JSON lines. RequestError where it is none."""
    try:
        data = door.read_input(path, MOST_BYTES)
    except OSError as error:
        raise RequestError(f"data: {str(path)!r} can't be read: {error.strerror}") from None
    notes: list[str] = []
    try:
        text = data.decode("utf-16" if data[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig")
    except UnicodeDecodeError:
        text = data.decode("cp1252", "replace")
        notes.append(f"{path.name} is not UTF-8; it was read as Windows-1252")
    suffix = path.suffix.lower()
    if suffix == ".json":
        rows, told = json_rows(text, path)
        notes += told
    else:
        rows = line_rows(text, path) if suffix == ".jsonl" else _text_rows(text, suffix, path)
    if rows and all(len(row) == 1 for row in rows) and any("/" in row[0] or "\\" in row[0] for row in rows):
        rows = _with_folders(rows)
        notes.append(f"{path.name} holds paths alone: the class is the folder that a picture lies in")
    if len(rows) < 2 or len(rows[0]) < 2:
        what = "no rows" if len(rows) < 2 else "one column"
        raise RequestError(f"data: {str(path)!r} has {what}; a column of pictures and one of labels are needed")
    wide = len(rows[0])
    for number, row in enumerate(rows):
        if len(row) < wide:
            raise RequestError(
                f"data: row {number + 1} of {str(path)!r} has {counted(len(row), 'column')}, the first has {wide}"
            )
    return CsvTable(tuple(name.strip() for name in rows[0]), rows[1:], notes)


def _text_rows(text: str, suffix: str, path: Path) -> list[list[str]]:
    """Return the rows of a table or a list; comments before the first are left out."""
    text = re.sub(r"\Asep=.\r?\n", "", text)  # a line of Excel's own, which says the mark
    lines = text.splitlines()
    if suffix == ".txt" and (listed := _list_rows(lines)):
        return listed
    comments = 0
    while comments + 1 < len(lines) and lines[comments].lstrip().startswith("#"):
        comments += 1
    first = lines[comments] if lines else ""
    mark = "\t" if suffix == ".tsv" else max(",\t;|", key=first.count)
    if comments and first.count(mark) and lines[comments - 1].count(mark) == first.count(mark):
        comments -= 1  # `#file,label`: the header itself
    body = "".join(io.StringIO(text, newline="").readlines()[comments:]).lstrip("# ") if comments < len(lines) else ""
    try:
        read = csv.reader(io.StringIO(body, newline=""), delimiter=mark, skipinitialspace=mark != "\t")
        return _even([row for row in read if any(cell.strip() for cell in row)])
    except csv.Error as error:
        raise RequestError(f"data: {str(path)!r} is no table: {error}") from None


def _even(rows: list[list[str]]) -> list[list[str]]:
    """Leave out cells without a name at the header's end, where the rows have none: a mark too many."""
    while rows[1:] and len(rows[0]) > 2 and not rows[0][-1].strip() and any(len(row) < len(rows[0]) for row in rows):
        rows[0].pop()
    return rows


def _list_rows(lines: list[str]) -> list[list[str]]:
    """Return the rows of a list `a b.jpg 0`, whose columns are divided by spaces; [] for a table."""
    lines = [line.strip() for line in lines if line.strip() and not line.startswith("#")]
    if not lines or "\t" in lines[0]:
        return []
    ends = [line.rsplit(None, 1) for line in lines]
    if 2 * sum(len(row) == 2 and is_image(row[0].strip("\"'")) for row in ends) > len(lines):
        return [["file", "label"], *([row[0].strip("\"'"), row[1]] if len(row) == 2 else row for row in ends)]
    if any(mark in lines[0] for mark in ",;|"):
        return []
    columns = [line.split() for line in lines]
    if len({len(row) for row in columns}) == 1:
        return columns
    if len(lines) > 2 and lines[0].isdecimal() and {len(row) for row in columns[2:]} == {len(columns[1]) + 1}:
        return [["file", *columns[1]], *columns[2:]]  # CelebA: a count, the names of the columns, the rows
    names = [row[0] for row in columns]
    if all(len(row) > 1 for row in columns) and len(set(names)) == len(names):
        return [["file", "label"], *(line.split(None, 1) for line in lines)]  # `1025794 Boeing 707-320`
    return []


def _with_folders(rows: list[list[str]]) -> list[list[str]]:
    """Add to a list of paths the folder of each."""
    paths = [row[0].strip().replace("\\", "/") for row in rows]
    return [["file", FOLDER], *([path, path.split("/")[-2]] if "/" in path else [path, ""] for path in paths)]
