"""Which columns of a table hold pictures, labels and parts of a set."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from cvtui.errors import RequestError, nearest
from cvtui.recipe.datasets.image_files import is_image
from cvtui.recipe.datasets.labels import LABEL_NAMES, key_of, number_of, part_of_value
from cvtui.recipe.datasets.picture_finder import Finder
from cvtui.recipe.datasets.pixel_table import pixels_in
from cvtui.recipe.datasets.text_table import FOLDER, CsvTable

PATH_NAMES = (
    "filename", "file_name", "file", "filepath", "file_path", "path", "image", "img", "image_path", "img_path",
    "image_name", "img_name", "image_file", "image_id", "img_id", "image_index", "id_code", "images", "id", "name",
)  # fmt: skip
"""Usual names of a column of pictures, likeliest first."""
SPLIT_NAMES = ("split", "set", "subset", "partition", "part", "dataset", "usage", "fold")
LABEL_WORDS = ("label", "class", "categ", "choice", "finding", "diagnos", "disease", "type", "kind", "species")
"""Parts of names that a column of labels may have."""
SAMPLE = 30
"""Rows that are looked at to tell what a column holds."""


class ColumnNumbers(NamedTuple):
    """Numbers of the columns that matter."""

    path: int
    labels: tuple[int, ...]
    """One; or several of 0 and 1, of which each row has one 1 (one-hot)."""
    split: int | None
    several: bool = False
    """Pictures are in several classes: several columns of 0 and 1, or `cat;dog` in one."""


def asked_column(table: CsvTable, options: dict[str, str], name: str) -> int | None:
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
    raise RequestError(f"data: {name}={text}: there is no such column; there are {listed(table.header)}"
                       f"{nearest(text, table.header)}")  # fmt: skip


def listed(names: Sequence[str]) -> str:
    return ", ".join(names[:12]) + (f" and {len(names) - 12} more" if len(names) > 12 else "")


def _usual(table: CsvTable, usual: Sequence[str], besides: set[int]) -> list[int]:
    """Return the columns with usual names, likeliest first."""
    keys = [key_of(name).replace("_", "") for name in table.header]
    wanted = dict.fromkeys(name.replace("_", "") for name in usual)
    return [keys.index(name) for name in wanted if name in keys and keys.index(name) not in besides]


def path_column(table: CsvTable, options: dict[str, str], finder: Finder, path: Path) -> int:
    """Return the column whose values are files. RequestError says where they were looked for."""
    asked = asked_column(table, options, "path")
    usual = _usual(table, PATH_NAMES, set())
    others = [number for number in range(len(table.header)) if number not in usual]
    others.sort(key=lambda number: not any(map(is_image, table.column(number)[:SAMPLE])))  # before numbers, of `3.jpg`
    candidates = [asked] if asked is not None else [*usual, *others]
    for number in candidates:
        sample = [value for value in table.column(number)[:SAMPLE] if value]
        try:
            there = sum(finder(value) is not None for value in sample)
        except RequestError:  # a number that two folders have a picture of, as 0.png
            if number in others and number != asked and (pixels := pixels_in(path, table)) is not None:
                raise pixels from None
            raise
        if 2 * there > len(sample):
            return number
    for number in candidates:  # few of them are there, and not at the beginning
        if any(finder(value) for value in table.column(number)):
            return number
    shown = asked if asked is not None else usual[0] if usual else 0
    example = next((value for value in table.column(shown) if value), "")
    raise no_pictures(path, table, f"column {table.header[shown]!r}: {example!r}", finder)


def no_pictures(path: Path, table: CsvTable, example: str, finder: Finder) -> RequestError:
    """Say why a table names no picture that is there: it holds the pixels, or they lie elsewhere or in an archive."""
    if (pixels := pixels_in(path, table)) is not None:
        return pixels
    where = finder.bases[0].absolute()
    archives = finder.archives()
    encoded = [f"{note}: save it as UTF-8" for note in table.notes if "not UTF-8" in note]
    return RequestError(
        f"data: no picture that {path.name!r} names is there ({example}); looked in {str(where)!r} and below",
        hint=encoded[0]
        if encoded
        else f"{archives[0]} has to be unpacked first, if the pictures are in it"
        if archives
        else "the folder and the column can be said: csv:PATH,images=DIR,path=COLUMN,label=COLUMN",
    )


def split_column(table: CsvTable, options: dict[str, str]) -> int | None:
    """Return the column that says train, val or test. RequestError for one that was asked for and says else."""
    asked = asked_column(table, options, "split")
    for number in [asked] if asked is not None else _usual(table, SPLIT_NAMES, set()):
        values = sorted(set(table.column(number)) - {""}) or [""]
        strange = next((value for value in values if not part_of_value(value)), None)
        if strange is None:
            return number
        if asked is not None:
            raise RequestError(f"data: split={options['split']}: {strange!r} is none of train, val and test")
    return None


def unused_splits(table: CsvTable, besides: set[int]) -> list[str]:
    """Tell of columns that are called as a split and say else: their test pictures would be trained on unnoticed."""
    notes = []
    for number in _usual(table, SPLIT_NAMES, besides):
        strange = sorted(set(filter(None, table.column(number))), key=lambda value: (bool(part_of_value(value)), value))
        if strange:
            notes.append(
                f"the column {table.header[number]!r} is not used: {strange[0]!r} is none of train, val and test"
            )
    return notes


def with_classes_of_boxes(table: CsvTable) -> CsvTable:
    """Return the table with classes in place of ImageNet's boxes, `n01440764 1 2 3 4 n01443537 …`."""
    for number, header in enumerate(table.header):
        if key_of(header) == "predictionstring" and all(_BOXES.fullmatch(value) for value in table.column(number)):
            for row in table.rows:
                row[number] = ";".join(dict.fromkeys(re.findall(r"[^\W\d]\w*", row[number])))
            table.notes.append(f"the classes of a picture are those of its boxes in the column {header!r}")
    return table


_BOXES = re.compile(r"(?:\s*[^\W\d]\w*(?:\s+\d+){4})+\s*")


def label_columns(table: CsvTable, options: dict[str, str], besides: set[int], path: Path) -> tuple[int, ...]:
    asked = asked_column(table, options, "label")
    if asked is not None:
        return (asked,)
    usual = _usual(table, (FOLDER, *LABEL_NAMES) if len(table.header) == 2 else LABEL_NAMES, besides)
    if usual:
        table.notes.extend(_other_labels(table, usual, path))
        return (usual[0],)
    left = [number for number in range(len(table.header)) if number not in besides]
    if len(left) == 1:
        return (left[0],)
    numbers = {number: {number_of(value) for value in table.column(number)} for number in left}
    marks = [number for number in left if numbers[number] <= {0, 1} or numbers[number] == {-1, 1}]
    if len(marks) >= 2:
        return tuple(marks)
    unsure = [number for number in left if {-1, 1} < numbers[number] <= {None, -1, 0, 1}]
    names = [table.header[number] for number in left]
    likely = table.header[unsure[0]] if unsure else _likeliest(table, left)
    way = f"csv:{path},label={likely}"
    if len(unsure) > 1:
        way += f"; all of {named(unsure, table)} (--loss bce): with 0 or 1 in place of -1 and of nothing"
    raise RequestError(f"data: which column of {path.name!r} is the label? It has {listed(names)}", hint=way)


def named(numbers: Sequence[int], table: CsvTable) -> str:
    """Name columns."""
    return listed([table.header[number] for number in numbers])


def _likeliest(table: CsvTable, left: Sequence[int]) -> str:
    """Name the column that is likeliest the label: by a word of its name, and few words or whole numbers in it."""

    def score(number: int) -> tuple[bool, bool, int]:
        values = set(table.column(number))
        few = 2 <= len(values) <= max(2, len(table.rows) // 2)
        named = any(word in key_of(table.header[number]) for word in LABEL_WORDS)
        bare = table.header[number].startswith("column ")  # a list without a header: the finest division
        return (
            named,
            few and not all(_is_broken(value) for value in values),
            len(values) if bare and few else -len(values),
        )

    return table.header[max(left, key=score)] if left else "COLUMN"


def _is_broken(value: str) -> bool:
    """Return True for a number that is not whole: a measurement."""
    return "." in value and value.replace(".", "", 1).isdecimal() and number_of(value) is None


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
