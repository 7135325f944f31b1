"""Lists beside a table that are joined with it by a key: CUB-200's and NABirds' labels and split, CelebA's split."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from cvtui.errors import RequestError
from cvtui.recipe.datasets import halves
from cvtui.recipe.datasets.image_files import names_in
from cvtui.recipe.datasets.labels import part_of_value
from cvtui.recipe.datasets.text_table import CsvTable, read_table

MAIN = "images.txt"
"""List of numbers and pictures that such sets have."""
ENDINGS = (".txt", ".csv", ".tsv")
LABELS = frozenset(("label", "labels"))
CLASSES = frozenset(("class", "classes"))
SPLITS = frozenset(("split", "partition"))
PARTS = {"0": "train", "1": "val", "2": "test"}
"""Of a list called partition, as CelebA's."""
IS_TRAIN = {"1": "train", "0": "test"}
"""Of one called train_test_split, as CUB's (is_training_image)."""


def main_list(paths: Sequence[Path], folder: Path) -> list[Path]:
    """Return the list of pictures of a folder of such lists, where it has one."""
    kin = {name for name in names_in(str(folder)) if _words(name) & (LABELS | SPLITS)}
    return [path for path in paths if path == folder / MAIN and kin]


def with_lists(table: CsvTable, pictures: int, path: Path, options: Mapping[str, str], split: bool) -> CsvTable:
    """Add the columns `label` and `split` that lists beside the table have, each where the table says nothing.

    A key is the picture's name, or the only other column of a table of two.
    """
    keys = [pictures] + [number for number in range(len(table.header)) if number != pictures and len(table.header) == 2]
    used: list[str] = []
    beside = {name: _words(name) for name in sorted(names_in(str(path.parent)))
              if name.lower().endswith(ENDINGS) and name != path.name}  # fmt: skip
    if not split and "split" not in options:
        for name, words in beside.items():
            if words & SPLITS and (found := _joined(path.with_name(name), table, keys)):
                table = _with_split(table, found, name, words, used)
                break
    if "label" not in options and len(keys) == 2:
        for name, words in beside.items():
            if words & LABELS and (found := _joined(path.with_name(name), table, keys[1:])):
                used.append(name)
                names = _names_of(
                    set(found), {path.with_name(other): of for other, of in beside.items() if other != name}
                )
                table = _with_column(table, "label", [names.get(one, one) for one in found])
                break
    if used:
        table.notes.append(f"{path.name} is joined with {' and '.join(used)} beside it")
    return table


def _words(name: str) -> set[str]:
    return set(halves.words(name.rpartition(".")[0])) if name.lower().endswith(ENDINGS) else set()


def _rows(path: Path) -> list[list[str]]:
    """Return the rows of a list of two columns, its first one too; [] for any other file."""
    try:
        read = read_table(path)
    except RequestError:
        return []
    return [list(read.header), *read.rows] if len(read.header) == 2 else []


def _joined(path: Path, table: CsvTable, keys: Sequence[int]) -> list[str]:
    """Return the value that a list has for each row of the table; [] where it lacks one."""
    known = {key.strip(): value.strip() for key, value in _rows(path)}
    for number in keys:
        column = table.column(number)
        if all(value in known for value in column):
            return [known[value] for value in column]
    return []


def _names_of(labels: set[str], beside: Mapping[Path, set[str]]) -> dict[str, str]:
    """Return the names of classes by their numbers, where a list has one for each."""
    for path, words in beside.items():
        if words & CLASSES and labels <= (names := {key.strip(): name.strip() for key, name in _rows(path)}).keys():
            return names
    return {}


def _with_split(table: CsvTable, found: list[str], name: str, words: set[str], used: list[str]) -> CsvTable:
    values = set(found)
    parts = IS_TRAIN if {"train", "test"} <= words else PARTS if "partition" in words else {}
    if values <= parts.keys():
        found = [parts[value] for value in found]
    elif not all(map(part_of_value, values)):
        table.notes.append(f"{name} is not used: {sorted(values)[0]!r} is none of train, val and test")
        return table
    used.append(name)
    return _with_column(table, "split", found)


def _with_column(table: CsvTable, header: str, values: Sequence[str]) -> CsvTable:
    rows = [[*row[: len(table.header)], value] for row, value in zip(table.rows, values, strict=True)]
    return CsvTable((*table.header, header), rows, table.notes)
