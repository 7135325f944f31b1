"""Tables of scalars: CSV of Lightning, Ultralytics, timm, fastai, Keras and others, DVCLive, trainer_state.json."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from cvtui import door
from cvtui.errors import RequestError
from cvtui.runlog.foreign.decoding import decoded
from cvtui.runlog.foreign.exports import EPOCHS, STEPS, reshaped
from cvtui.runlog.foreign.kinds import kind_of
from cvtui.runlog.foreign.scalars import ScalarLog

MOST = 1 << 30
DECIMAL = re.compile(r"\s*[-+]?\d+,\d+(?:[eE][-+]?\d+)?\s*")


def read_csv(path: Path) -> ScalarLog:
    """Read a CSV file with a header: a column of steps or of epochs, else its rows are counted. RequestError, OSError.

    Rows of one step are joined: the last filled value of each column counts (Lightning writes one row per call).
    """
    rows = _rows(path)
    names = [name.strip() for name in next(iter(rows), [])]
    cells = [cell for row in rows[1:] for cell in row] if len(names) == 1 else []
    alone = bool(cells) and all(_number(cell) is not None for cell in cells)  # (any text is a table of one column)
    if not (alone or len(names) > 1) or all(_number(name) is not None for name in names):
        raise RequestError(f"{str(path)!r} has no header that names its columns", hint="`cvtui doctor --help`")
    if (table := reshaped(path, names, rows[1:])) is not None:
        return _filled(ScalarLog(table.kind), table.names, table.rows)
    return _filled(ScalarLog(kind_of(path.name, names, "a CSV file")), names, rows[1:])


def _filled(log: ScalarLog, names: Sequence[str], rows: Sequence[Sequence[str]]) -> ScalarLog:
    """Add the cells of a table to a log."""
    lower = [name.lower() for name in names]
    stepped = next((lower.index(name) for name in STEPS if name in lower), None)
    if stepped is None:
        stepped = next((lower.index(name) for name in EPOCHS if name in lower), None)
        log.axis = "epoch"
    bad = 0
    for count, row in enumerate(rows):
        place = _number(row[stepped]) if stepped is not None and stepped < len(row) else None
        if stepped is None:
            place = float(count)
        if place is None or not abs(place) < 1 << 53:
            bad += bool(row)
            continue
        for name, cell in zip(names, row, strict=False):
            value = _number(cell)
            if value is not None and (stepped is None or name != names[stepped]):
                log.add(name, int(place), value)
    if bad:
        log.notes.append(f"{bad:,} row{'s' if bad > 1 else ''} without a number in {names[stepped or 0]!r} left out")
    return log


def read_pair(path: Path, files: Mapping[str, str]) -> ScalarLog:
    """Read Catalyst's train.csv and valid.csv of one folder. files: what the columns are of → name."""
    log = ScalarLog("Catalyst's CSV files")
    for split, name in files.items():
        one = read_csv(path / name)
        log.axis = "epoch"
        for column, values in one.columns.items():
            log.columns[f"{split}/{column}"] = values
    return log


def read_dvclive(path: Path) -> ScalarLog:
    """Read DVCLive's plots/metrics: a .tsv for each metric, with its steps. OSError."""
    log = ScalarLog("a DVCLive run")
    folder = path / "plots" / "metrics"
    for file in sorted(folder.rglob("*.tsv")):
        if file.is_file() and not file.is_symlink():
            metric = file.relative_to(folder).with_suffix("").as_posix()
            for row in _rows(file)[1:]:
                step, value = (_number(row[0]), _number(row[-1])) if len(row) > 1 else (None, None)
                if step is not None and value is not None and abs(step) < 1 << 53:
                    log.add(metric, int(step), value)
    return log


def _rows(path: Path) -> list[list[str]]:
    """Return the rows; a last one that is still being written (fewer cells, no end of line) is left out."""
    text = _without_comments(decoded(door.read_input(path, MOST)).lstrip("\r\n"))
    try:
        between = delimiter(text)
        rows = list(csv.reader(io.StringIO(text, newline=""), delimiter=between))
    except csv.Error as error:
        raise RequestError(f"{str(path)!r} is no CSV file: {error}") from None
    if len(rows) > 1 and not text.endswith(("\n", "\r")) and len(rows[-1]) < len(rows[0]):
        rows.pop()
    if between == ";":  # 0,25, as a German spreadsheet writes
        rows = [[cell.replace(",", ".") if DECIMAL.fullmatch(cell) else cell for cell in row] for row in rows]
    return rows


def _without_comments(text: str) -> str:
    """Leave out lines of # at the beginning; one with as many cells as the first row is the header (NumPy)."""
    lines = text.splitlines(keepends=True)
    first = next((place for place, line in enumerate(lines) if not line.startswith("#")), 0)
    if not first:
        return text
    between = delimiter(lines[first])
    is_header = lines[first - 1].count(between) == lines[first].count(between) > 0
    rest = "".join(lines[first:])
    return lines[first - 1].lstrip("# ") + rest if is_header and is_csv(lines[first - 1].lstrip("# ") + rest) else rest


def delimiter(text: str) -> str:
    """Return what stands between the cells of the first line: a comma, a tab or a semicolon."""
    head = text[: text.find("\n") + 1 or None]
    return max(",\t;", key=head.count)


def is_csv(text: str) -> bool:
    """Return True if a text begins with a header that names a loss, and a row of as many cells, all numbers or empty.

    (Keras's CSVLogger is often given the name training.log.)
    """
    head, _, rest = text.lstrip("\ufeff").partition("\n")
    between = delimiter(head)
    names, cells = head.rstrip("\r").split(between), rest.partition("\n")[0].rstrip("\r").split(between)
    if not names[-1].strip() and not cells[-1].strip():  # some end each line by a tab
        names.pop()
        cells.pop()
    named = len(names) > 1 and any("loss" in name.lower() for name in names)
    return (
        named
        and len(cells) == len(names)
        and all(re.fullmatch(r"[\w ./@()-]+", name.strip()) and _number(name) is None for name in names)
        and sum(_number(cell) is not None for cell in cells) > len(cells) / 2
    )


def _number(cell: str) -> float | None:
    try:
        return float(cell.rstrip().removesuffix("%"))
    except ValueError:
        return None


def read_trainer_state(path: Path) -> ScalarLog:
    """Read Hugging Face's trainer_state.json. RequestError where it is none; OSError."""
    log = ScalarLog("Hugging Face's trainer_state.json", means=True)
    try:
        state = json.loads(door.read_input(path, MOST))
        rows = state["log_history"]
        total = state.get("max_steps") or 0
        for row in rows:
            for name, value in row.items():
                if name != "step" and isinstance(value, int | float) and not isinstance(value, bool):
                    log.add(name, int(row["step"]), float(value))
        log.total = max(0, int(total))
    except (ValueError, TypeError, KeyError, AttributeError, OverflowError, RecursionError):
        raise RequestError(f"{str(path)!r} is no trainer_state.json: it has no log_history of steps") from None
    return log
