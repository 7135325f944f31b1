"""`csv:labels.csv`: tables with a column of pictures (paths, names or ids) and one of labels; lists, JSON lines."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from cvtui.errors import RequestError, nearest
from cvtui.recipe.datasets import label_sets
from cvtui.recipe.datasets.csv_parts import joined_rows, tables_of
from cvtui.recipe.datasets.file_source import ListedSource, Row, Rows, part_of_file
from cvtui.recipe.datasets.image_files import is_image
from cvtui.recipe.datasets.label_sets import SEPARATORS, joined
from cvtui.recipe.datasets.labels import LABEL_NAMES, key_of, number_of, part_of_value
from cvtui.recipe.datasets.text_table import FOLDER, CsvTable, read_table
from cvtui.recipe.recipe import Recipe
from cvtui.text import counted

PATH_NAMES = (
    "filename", "file_name", "file", "filepath", "file_path", "path", "image", "img", "image_path", "img_path",
    "image_name", "img_name", "image_file", "image_id", "img_id", "id_code", "imageid", "images", "id", "name",
)  # fmt: skip
"""Usual names of a column of pictures, likeliest first."""
SPLIT_NAMES = ("split", "set", "subset", "partition", "part", "dataset", "usage", "fold")
SAMPLE = 30
"""Rows that are looked at to tell what a column holds."""
DEPTH = 4
"""Folders below the table's own in which a picture is looked for by its name."""
NAMED = 3


class ColumnNumbers(NamedTuple):
    """Numbers of the columns that matter."""

    path: int
    labels: tuple[int, ...]
    """One; or several of 0 and 1, of which each row has one 1 (one-hot)."""
    split: int | None
    several: bool = False
    """Pictures are in several classes: several columns of 0 and 1, or `cat;dog` in one."""


class CsvFile(ListedSource):
    """`csv:PATH`: .csv, .tsv, lists in .txt, .jsonl; of a folder or a pattern the tables of its parts."""

    reader = "csv_file"
    prefix = "csv"
    usage = "csv:PATH"
    summary = "a table of pictures and labels (.csv, .tsv, .txt, .jsonl)"
    placeholder = "labels.csv"
    endings = (".csv", ".tsv", ".txt", ".jsonl")
    options = ("path", "label", "split", "images")
    what = "the table"

    fresh = 60.0  # pictures may come and go beside it; 50,000 rows take 0.6 s

    def files(self, text: str) -> list[Path]:
        """Return the tables; of a folder lists in .txt only where it has no others (they may be notes of any kind)."""
        found = super().files(text)
        tables = [path for path in found if path.suffix.lower() != ".txt"]
        return tables if tables and self.place(text).is_dir() else found

    def rows(self, text: str) -> Rows:
        asked = self.asked(text)
        paths, notes = tables_of(self.files(text), asked.path)
        if len(paths) == 1:
            found = _rows_in(paths[0], asked.options)
            return found._replace(notes=[*notes, *found.notes])
        tables = []
        for path in paths:
            try:
                tables.append((path, _rows_in(path, asked.options)))
            except RequestError as error:
                if part_of_file(path) != "test":
                    raise
                notes.append(f"not used: {path.name} ({error.message.partition(': ')[2]})")  # it often has no labels
        return joined_rows(tables, notes)

    def pictures(self, recipe: Recipe) -> list[str]:
        return [path for path, _ in self.listing(recipe.data, recipe.val_share, recipe.seed).train]


def _rows_in(path: Path, options: dict[str, str]) -> Rows:
    """Return the pictures of one table. RequestError."""
    finder = Finder(path, options.get("images", ""))
    table, columns = _table_of(path, options, finder)
    found, notes = _rows_of(table, columns, finder, path.name)
    labels = _listed([table.header[number] for number in columns.labels])
    summary = f"of {path.name}, from column {table.header[columns.path]!r}, labels from {labels!r}"
    several = columns.several and len(columns.labels) > 1
    classes = tuple(table.header[number] for number in columns.labels) if several else ()
    return Rows(found, [*table.notes, *notes], {}, summary, classes)


# ------------------------------------------------------------------ pictures


class Finder:
    """Finds the file of a picture: where the table says, or below its folder by name, also without ending."""

    def __init__(self, table: Path, images: str) -> None:
        own = table.parent
        self.bases = [own]
        if images:
            place = Path(images).expanduser()
            self.bases = [base for base in (own / place, place) if base.is_dir()][:1]
            if not self.bases:
                raise RequestError(f"data: images={images} is no folder, neither beside {table.name!r} nor here")
        self._below: dict[str, list[str]] | None = None

    def __call__(self, value: str) -> str | None:
        """Return the path of a file, or None. RequestError for a name that two folders have."""
        value = value.replace("\\", "/").strip()
        if not value or "\0" in value or "://" in value:
            return None
        for base in self.bases:
            path = os.path.join(base, os.path.expanduser(value))
            if is_image(value) and os.path.isfile(path):
                return path
        found = self._index().get(value.rsplit("/", 1)[-1].lower(), [])
        if len(found) > 1:
            agree = [_agreement(path, value) for path in found]
            found = [path for path, parts in zip(found, agree, strict=True) if parts == max(agree)]
        if len(found) > 1:
            raise RequestError(f"data: {value!r} is there twice: {found[0]!r} and {found[1]!r}",
                               hint="say which folder: csv:PATH,images=DIR")  # fmt: skip
        return found[0] if found else None

    def _index(self) -> dict[str, list[str]]:
        """Index the pictures below the table's folder by name and by name without ending, in small letters."""
        if self._below is None:
            self._below = {}
            for base in self.bases:
                for folder, below, names in os.walk(base):
                    depth = len(Path(folder).relative_to(base).parts)
                    below[:] = sorted(name for name in below if name[0] != "." and depth < DEPTH)
                    for name in sorted(names):
                        lower = name.lower()
                        if is_image(lower) and name[0] != ".":
                            path = os.path.join(folder, name)
                            for key in {lower, lower.rsplit(".", 1)[0]}:
                                self._below.setdefault(key, []).append(path)
        return self._below


def _agreement(path: str, value: str) -> int:
    """Count how many of the last parts of a path are those that the table says, of a file on another machine too."""
    own, said = ([*one.lower().split("/")] for one in (path.replace(os.sep, "/"), value))
    own[-1], said[-1] = own[-1].rsplit(".", 1)[0], said[-1] if "." not in said[-1] else said[-1].rsplit(".", 1)[0]
    count = 0
    while count < min(len(own), len(said)) and own[-1 - count] == said[-1 - count]:
        count += 1
    return count


# ------------------------------------------------------------------ the table


def _table_of(path: Path, options: dict[str, str], finder: Finder) -> tuple[CsvTable, ColumnNumbers]:
    table = read_table(path)
    if any(finder(cell) for cell in table.header):  # no header: its first row names a picture
        header = tuple(f"column {number + 1}" for number in range(len(table.header)))
        table = CsvTable(header, [list(table.header), *table.rows], table.notes)
    for name in ("path", "label", "split"):
        _asked(table, options, name)  # a wrong one is said first
    split = _split_column(table, options)
    pictures = _path_column(table, options, finder, path)
    labels = _label_columns(table, options, {pictures, *([split] if split is not None else [])}, path)
    if split is None:
        table.notes.extend(_unused_splits(table, {pictures, *labels}))
    return table, ColumnNumbers(pictures, labels, split, _several(table, labels))


def _several(table: CsvTable, labels: tuple[int, ...]) -> bool:
    """Return True if pictures are in several classes: marked in several columns, or with `|` or `;` in a cell."""
    if len(labels) > 1:
        return any(sum(number_of(row[number].strip()) or 0 for number in labels) != 1 for row in table.rows)
    return any(mark in value for value in table.column(labels[0]) for mark in SEPARATORS)


def _asked(table: CsvTable, options: dict[str, str], name: str) -> int | None:
    """Return the column that an option names, by its header or its number from 1; None without. RequestError."""
    if name not in options:
        return None
    text = options[name]
    lower = [header.lower() for header in table.header]
    if text in table.header:
        return table.header.index(text)
    if text.lower() in lower:
        return lower.index(text.lower())
    if text.isdecimal() and 1 <= int(text) <= len(table.header):
        return int(text) - 1
    raise RequestError(f"data: {name}={text}: there is no such column; there are {_listed(table.header)}"
                       f"{nearest(text, table.header)}")  # fmt: skip


def _listed(names: Sequence[str]) -> str:
    return ", ".join(names[:12]) + (f" and {len(names) - 12} more" if len(names) > 12 else "")


def _usual(table: CsvTable, usual: Sequence[str], besides: set[int]) -> list[int]:
    """Return the columns with usual names, likeliest first."""
    keys = [key_of(name) for name in table.header]
    return [keys.index(name) for name in usual if name in keys and keys.index(name) not in besides]


def _path_column(table: CsvTable, options: dict[str, str], finder: Finder, path: Path) -> int:
    """Return the column whose values are files. RequestError says where they were looked for."""
    asked = _asked(table, options, "path")
    usual = _usual(table, PATH_NAMES, set())
    others = [number for number in range(len(table.header)) if number not in usual]
    candidates = [asked] if asked is not None else [*usual, *others]
    for number in candidates:
        sample = [value for value in table.column(number)[:SAMPLE] if value]
        if sample and 2 * sum(finder(value) is not None for value in sample) > len(sample):
            return number
    for number in candidates:  # few of them are there, and not at the beginning
        if any(finder(value) for value in table.column(number)):
            return number
    shown = asked if asked is not None else usual[0] if usual else 0
    example = next((value for value in table.column(shown) if value), "")
    where = finder.bases[0].absolute()
    raise RequestError(
        f"data: no picture that {path.name!r} names is there (column {table.header[shown]!r}: {example!r}); looked in "
        f"{str(where)!r} and below",
        hint="the folder and the column can be said: csv:PATH,images=DIR,path=COLUMN,label=COLUMN",
    )


def _split_column(table: CsvTable, options: dict[str, str]) -> int | None:
    """Return the column that says train, val or test. RequestError for one that was asked for and says else."""
    asked = _asked(table, options, "split")
    for number in [asked] if asked is not None else _usual(table, SPLIT_NAMES, set()):
        values = sorted(set(table.column(number)) - {""}) or [""]
        strange = next((value for value in values if not part_of_value(value)), None)
        if strange is None:
            return number
        if asked is not None:
            raise RequestError(f"data: split={options['split']}: {strange!r} is none of train, val and test")
    return None


def _unused_splits(table: CsvTable, besides: set[int]) -> list[str]:
    """Tell of columns that are called as a split and say else: their test pictures would be trained on unnoticed."""
    notes = []
    for number in _usual(table, SPLIT_NAMES, besides):
        strange = sorted(set(filter(None, table.column(number))), key=lambda value: (bool(part_of_value(value)), value))
        if strange:
            notes.append(
                f"the column {table.header[number]!r} is not used: {strange[0]!r} is none of train, val and test"
            )
    return notes


def _label_columns(table: CsvTable, options: dict[str, str], besides: set[int], path: Path) -> tuple[int, ...]:
    asked = _asked(table, options, "label")
    if asked is not None:
        return (asked,)
    usual = _usual(table, (FOLDER, *LABEL_NAMES) if len(table.header) == 2 else LABEL_NAMES, besides)
    if usual:
        table.notes.extend(_other_labels(table, usual, path))
        return (usual[0],)
    left = [number for number in range(len(table.header)) if number not in besides]
    if len(left) == 1:
        return (left[0],)
    marks = [number for number in left if {number_of(value) for value in table.column(number)} <= {0, 1}]
    if len(marks) >= 2:
        return tuple(marks)
    names = [table.header[number] for number in left]
    raise RequestError(f"data: which column of {path.name!r} is the label? It has {_listed(names)}",
                       hint=f"csv:{path},label={names[-1] if names else 'COLUMN'}")  # fmt: skip


def _other_labels(table: CsvTable, usual: Sequence[int], path: Path) -> list[str]:
    """Tell of further columns that are called as labels, and divide the pictures otherwise than the first."""
    first = table.column(usual[0])
    others = []
    for number in usual[1:]:
        pairs = set(zip(first, table.column(number), strict=True))
        if not len(pairs) == len({one for one, _ in pairs}) == len({other for _, other in pairs}):
            others.append(table.header[number])
    if not others:  # a number and a name of the same class
        return []
    named = f"{table.header[usual[0]]!r}, not {' or '.join(map(repr, others))}"
    return [f"the labels are those of the column {named} (csv:{path},label={others[0]} takes that)"]


def _rows_of(table: CsvTable, columns: ColumnNumbers, finder: Finder, name: str) -> tuple[list[Row], list[str]]:
    """Return the rows whose picture is there, and notes on the others. RequestError where none is left."""
    found: dict[str, Row] = {}
    gone, bare, twice, other = [], 0, 0, []
    for row in table.rows:
        label = _label_of(table, columns, row)
        value = row[columns.path].strip()
        if not label:
            bare += 1
            continue
        path = finder(value)
        if path is None:
            gone.append(value)
            continue
        part = part_of_value(row[columns.split]) if columns.split is not None else ""
        if path in found:
            twice += 1
            other += [path] if found[path].label != label else []
        else:
            found[path] = Row(path, label, part)
    if not found:
        raise RequestError(f"data: no row of {name!r} has a label and a picture that is there")
    return list(found.values()), _notes(table, columns, name, gone, bare, twice, other)


def _notes(
    table: CsvTable, columns: ColumnNumbers, name: str, gone: list[str], bare: int, twice: int, other: list[str]
) -> list[str]:
    """Say which rows were left out; `other`: pictures that have two labels."""
    notes = []
    if gone:
        of = f"{len(gone):,} of {counted(len(table.rows), 'picture')} that {name} names"
        notes.append(f"{of} {'is' if len(gone) == 1 else 'are'} not there: {_some(gone)}")
    if bare:
        notes.append(f"left out {counted(bare, 'row')} of {name} without a label")
    if other:
        notes.append(
            f"{counted(len(other), 'picture')} with two labels in {name}: the first is used (several classes stand in "
            f"one cell, cat;dog): {_some(other)}"
        )
    elif twice:
        notes.append(f"left out {counted(twice, 'row')} of {name} with a picture that was named before")
    if columns.several:
        many = sum(len(label_sets.members(_label_of(table, columns, row))) != 1 for row in table.rows)
        notes.append(
            f"{many:,} of {counted(len(table.rows), 'row')} of {name} with several classes or none: "
            "accuracy is of a yes or no for each class"
        )
    elif len(columns.labels) > 1:
        notes.append(f"the class is the column that holds 1, of {_listed([table.header[n] for n in columns.labels])}")
    return notes


def _label_of(table: CsvTable, columns: ColumnNumbers, row: list[str]) -> str:
    if len(columns.labels) == 1:
        text = row[columns.labels[0]].strip()
        return joined(part.strip() for part in re.split(r"[|;]", text)) if columns.several and text else text
    if columns.several:
        return joined(table.header[number] for number in columns.labels if number_of(row[number].strip()) == 1)
    return next((table.header[number] for number in columns.labels if number_of(row[number].strip()) == 1), "")


def _some(names: Sequence[str]) -> str:
    shown = ", ".join(name if name.isprintable() else ascii(name)[1:-1] for name in names[:NAMED])
    return shown + (f" and {len(names) - NAMED:,} more" if len(names) > NAMED else "")
