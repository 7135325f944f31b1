"""`csv:labels.csv`: tables with a column of pictures (paths, names or ids) and one of labels; lists, JSON lines."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from cvtui.errors import RequestError
from cvtui.recipe.datasets import label_sets
from cvtui.recipe.datasets.beside_lists import main_list, with_lists
from cvtui.recipe.datasets.csv_columns import (
    ColumnNumbers,
    asked_column,
    label_columns,
    listed,
    path_column,
    split_column,
    unused_splits,
    with_classes_of_boxes,
)
from cvtui.recipe.datasets.csv_parts import joined_rows, tables_of
from cvtui.recipe.datasets.file_source import ListedSource, Row, Rows, part_of_file
from cvtui.recipe.datasets.json_table import names_images
from cvtui.recipe.datasets.known_layouts import known_layout
from cvtui.recipe.datasets.label_sets import SEPARATORS, joined
from cvtui.recipe.datasets.labels import key_of, number_of, part_of_value
from cvtui.recipe.datasets.picture_finder import Finder
from cvtui.recipe.datasets.text_table import CsvTable, read_table
from cvtui.recipe.recipe import Recipe
from cvtui.text import counted

NAMED = 3
TAGS = frozenset(("tags", "labels", "classes", "attributes", "attribute_ids", "categories"))
"""Names (key_of) of a column that may hold several classes in a cell."""


class CsvFile(ListedSource):
    """`csv:PATH`: .csv, .tsv, lists in .txt, .json, .jsonl; of a folder or a pattern the tables of its parts."""

    reader = "csv_file"
    prefix = "csv"
    usage = "csv:PATH"
    summary = "a table of pictures and labels (.csv, .tsv, .txt, .json, .jsonl)"
    placeholder = "labels.csv"
    endings = (".csv", ".tsv", ".txt", ".json", ".jsonl")
    options = ("path", "label", "split", "images")
    what = "the table"

    fresh = 60.0  # pictures may come and go beside it; 50,000 rows take 0.6 s

    def files(self, text: str) -> list[Path]:
        """Return the tables; of a folder JSON, then lists, only where it has no others (they may be anything)."""
        found, folder = super().files(text), self.place(text)
        if not folder.is_dir():
            return found
        for endings in ((".csv", ".tsv", ".jsonl"), (".json",)):
            tables = [path for path in found if path.suffix.lower() in endings]
            if tables := [path for path in tables if path.suffix.lower() != ".json" or names_images(str(path))]:
                return tables
        lists = [path for path in found if path.suffix.lower() == ".txt"]
        return main_list(lists, folder) or lists or found

    def rows(self, text: str) -> Rows:
        try:
            return self._rows_of(text)
        except RequestError as error:
            place = self.place(text)
            known = known_layout(str(place)) if place.is_dir() or place.suffix.lower() == ".txt" else None
            raise known or error from None

    def _rows_of(self, text: str) -> Rows:
        asked = self.asked(text)
        paths, notes = tables_of(self.files(text), asked.path)
        if len(paths) == 1:
            found = _rows_in(paths[0], asked.options)
            return found._replace(notes=[*notes, *found.notes])
        return joined_rows(*_usable(paths, asked.options, notes))

    def pictures(self, recipe: Recipe) -> list[str]:
        found = self.listing(recipe.data, recipe.val_share, recipe.seed, only=bool(recipe.only.strip()))
        return [path for path, _ in found.train]


def _usable(
    paths: Sequence[Path], options: dict[str, str], notes: list[str]
) -> tuple[list[tuple[Path, Rows]], list[str]]:
    """Return the tables that can be read, and notes on the others.

    RequestError for one of a part that no other table is of; a test part often has no labels.
    """
    tables: list[tuple[Path, Rows]] = []
    failed: list[tuple[Path, RequestError]] = []
    for path in paths:
        try:
            tables.append((path, _rows_in(path, options)))
        except RequestError as error:
            failed.append((path, error))
    parts = {part_of_file(path) for path, _ in tables}
    for path, wrong in failed:
        if part_of_file(path) not in {"test", *parts}:
            raise wrong
        notes.append(f"not used: {path.name} ({wrong.message.partition(': ')[2]})")
    return tables, notes


def _rows_in(path: Path, options: dict[str, str]) -> Rows:
    """Return the pictures of one table. RequestError."""
    finder = Finder(path, options.get("images", ""))
    table, columns = _table_of(path, options, finder)
    found, notes = _rows_of(table, columns, finder, path.name)
    labels = listed([table.header[number] for number in columns.labels])
    summary = f"of {path.name}, from column {table.header[columns.path]!r}, labels from {labels!r}"
    several = columns.several and len(columns.labels) > 1
    classes = tuple(table.header[number] for number in columns.labels) if several else ()
    return Rows(found, [*table.notes, *notes], {}, summary, classes)


# ------------------------------------------------------------------ the table


def _table_of(path: Path, options: dict[str, str], finder: Finder) -> tuple[CsvTable, ColumnNumbers]:
    table = read_table(path)
    if any(finder(cell) for cell in table.header):  # no header: its first row names a picture
        header = tuple(f"column {number + 1}" for number in range(len(table.header)))
        table = CsvTable(header, [list(table.header), *table.rows], table.notes)
    for name in ("path", "label", "split"):
        asked_column(table, options, name)  # a wrong one is said first
    if finder.beside:
        table.notes.append(f"the pictures lie in {finder.bases[0]}, beside the folder of the table")
    split = split_column(table, options)
    pictures = path_column(table, options, finder, path)
    table = with_lists(table, pictures, path, options, split is not None)
    split = split_column(table, options) if split is None else split
    table = with_classes_of_boxes(table)
    labels = label_columns(table, options, {pictures, *([split] if split is not None else [])}, path)
    if split is None:
        table.notes.extend(unused_splits(table, {pictures, *labels}))
    return table, ColumnNumbers(pictures, labels, split, _several(table, labels))


def _several(table: CsvTable, labels: tuple[int, ...]) -> bool:
    """Return True if pictures are in several classes: marked in several columns, or with `|` or `;` in a cell."""
    if len(labels) > 1:
        return any(sum(number_of(row[number].strip()) == 1 for number in labels) != 1 for row in table.rows)
    return any(mark in value for value in table.column(labels[0]) for mark in SEPARATORS)


def _rows_of(table: CsvTable, columns: ColumnNumbers, finder: Finder, name: str) -> tuple[list[Row], list[str]]:
    """Return the rows whose picture is there, and notes on the others. RequestError where none is left."""
    _check_confidence(table, columns)
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


def _check_confidence(table: CsvTable, columns: ColumnNumbers) -> None:
    """RequestError for rows that say which class a picture is *not* of, as those of Open Images do."""
    for number, header in enumerate(table.header):
        if key_of(header) == "confidence" and number not in columns.labels:
            against = sum(number_of(value) == 0 for value in table.column(number))
            if against:
                have = "has" if against == 1 else "have"
                raise RequestError(
                    f"data: {counted(against, 'row')} {have} the {header} 0: of which class a picture is not",
                    hint="leave these rows out of the table; a picture with several rows is of the first's class",
                )


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
        notes.append(f"the class is the column that holds 1, of {listed([table.header[n] for n in columns.labels])}")
        none = [table.header[n] for n in columns.labels if all(number_of(value) != 1 for value in table.column(n))]
        notes += [f"no picture is of the class {listed(none)}: left out"] if none else []
    if len(columns.labels) == 1:
        notes += _doubts(table, columns.labels[0])
    return notes


def _doubts(table: CsvTable, number: int) -> list[str]:
    """Tell of labels that may mean something else than a class each."""
    header, values = table.header[number], set(filter(None, table.column(number)))
    if {number_of(value) for value in values} == {-1, 0, 1}:
        return [f"-1 in the column {header!r} (uncertain, mostly) is a class, unless --only 0,1 leaves it out"]
    words = {word for value in values for word in value.split()}
    if key_of(header) in TAGS and any(" " in value for value in values) and len(words) < len(values) + 2:
        example = min(value for value in values if " " in value)
        return [f"each combination in the column {header!r} is a class ({example!r}); where the words are the "
                f"classes, write {example.replace(' ', ';')}: --loss bce"]  # fmt: skip
    return []


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
