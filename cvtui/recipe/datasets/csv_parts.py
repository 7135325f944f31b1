"""Several tables of one set: `train.csv` and `valid.csv`, or `train/_classes.csv` and `valid/_classes.csv`."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from pathlib import Path

from cvtui.errors import RequestError
from cvtui.recipe.datasets.asked_folder import named
from cvtui.recipe.datasets.file_source import Row, Rows, part_of_file
from cvtui.recipe.datasets.image_files import names_in
from cvtui.text import counted


def tables_of(paths: Sequence[Path], asked: Path) -> tuple[list[Path], list[str]]:
    """Return the tables to read, and notes. RequestError where a folder has several, and none says its part.

    asked: the path as it was typed. A pattern names what is meant; of a folder those count whose names say their part.
    """
    if len(paths) == 1:
        return list(paths), [] if asked.is_dir() else _beside(paths[0])
    if not asked.is_dir():
        return list(paths), []
    parts = [path for path in paths if part_of_file(path)]
    if not any(part_of_file(path) == "train" for path in parts):
        names = named([str(path.relative_to(asked)) for path in paths])
        line = shlex.quote(f"csv:{paths[0]}")
        raise RequestError(f"data: {str(asked)!r} holds {len(paths):,} tables: {names}", hint=f"name one: {line}")
    left = [str(path.relative_to(asked)) for path in paths if path not in parts]
    return parts, [f"not used: {named(left)}, whose names say no part"] if left else []


def _beside(path: Path) -> list[str]:
    """Tell of a table of another part beside the one that is read."""
    part = part_of_file(path)
    if part != "train":
        return []
    own, above = path.parent, path.parent.parent
    kin = [own / name for name in names_in(str(own)) if name.endswith(path.suffix)]
    kin += [above / name / path.name for name in names_in(str(above))]
    others = [one for one in sorted(set(kin)) if part_of_file(one) not in ("", "train") and one.is_file()]
    if not others:
        return []
    folder = own if others[0].parent == own else above
    shown = named([str(one.relative_to(folder)) for one in others])
    return [f"not used: {shown} beside it; {shlex.quote(f'csv:{folder}')} reads the parts together"]


def joined_rows(tables: Sequence[tuple[Path, Rows]], notes: Sequence[str]) -> Rows:
    """Join tables into one set: each row's part is that of its column, else of its table's name."""
    found: dict[str, Row] = {}
    twice = 0
    for path, rows in tables:
        part = part_of_file(path)
        for row in rows.rows:
            twice += row.name in found
            found.setdefault(row.name, row._replace(part=row.part or part))
    names = {path: path.name for path, _ in tables}
    if len(set(names.values())) < len(names):  # train/_classes.csv, valid/_classes.csv
        names = {path: f"{path.parent.name}/{path.name}" for path in names}
    told = [*notes, *(f"{names[path]}: {note}" for path, rows in tables for note in rows.notes)]
    if twice:
        told.append(f"{counted(twice, 'picture')} in two tables: the first one counts")
    shown = named(list(names.values()))
    return Rows(list(found.values()), told, {}, f"of {shown}", tables[0][1].classes)
