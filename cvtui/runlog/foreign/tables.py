"""Tables of scalars: Lightning's metrics.csv, Ultralytics' results.csv, other CSV, and trainer_state.json."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

from cvtui import door
from cvtui.errors import RequestError
from cvtui.runlog.foreign.scalars import ULTRALYTICS, ScalarLog

MOST = 1 << 30
STEPS = ("step", "global_step", "_step", "iter", "iteration", "iterations", "batch")
EPOCHS = ("epoch", "epochs")


def read_csv(path: Path) -> ScalarLog:
    """Read a CSV file with a header: a column of steps or of epochs, else its rows are counted. RequestError, OSError.

    Rows of one step are joined: the last filled value of each column counts (Lightning writes one row per call).
    """
    rows = _rows(path)
    names = [name.strip() for name in next(iter(rows), [])]
    if len(names) < 2 or all(_number(name) is not None for name in names):
        raise RequestError(f"{str(path)!r} has no header that names its columns", hint="`cvtui doctor --help`")
    log = ScalarLog(_kind(path, names))
    lower = [name.lower() for name in names]
    stepped = next((lower.index(name) for name in STEPS if name in lower), None)
    if stepped is None:
        stepped = next((lower.index(name) for name in EPOCHS if name in lower), None)
        log.axis = "epoch"
    bad = 0
    for count, row in enumerate(rows[1:]):
        place = _number(row[stepped]) if stepped is not None and stepped < len(row) else None
        if stepped is None:
            place = float(count)
        if place is None or not abs(place) < 1 << 53:
            bad += bool(row)
            continue
        for name, cell in zip(names, row, strict=False):
            value = _number(cell)
            if value is not None and name != names[stepped if stepped is not None else -1]:
                log.add(name, int(place), value)
    if bad:
        log.notes.append(f"{bad:,} row{'s' if bad > 1 else ''} without a number in {names[stepped or 0]!r} left out")
    return log


def _rows(path: Path) -> list[list[str]]:
    """Return the rows; a last one that is still being written (fewer cells, no end of line) is left out."""
    text = door.read_input(path, MOST).decode("utf-8-sig", "replace").replace("\0", "")
    try:
        rows = list(csv.reader(io.StringIO(text, newline="")))
    except csv.Error as error:
        raise RequestError(f"{str(path)!r} is no CSV file: {error}") from None
    if len(rows) > 1 and not text.endswith(("\n", "\r")) and len(rows[-1]) < len(rows[0]):
        rows.pop()
    return rows


def _kind(path: Path, names: list[str]) -> str:
    if path.name == "metrics.csv" and {"epoch", "step"} <= set(names):
        return "Lightning's metrics.csv"
    if path.name == "results.csv" and any(name.startswith(("metrics/", "train/")) for name in names):
        return ULTRALYTICS
    return "a CSV file"


def _number(cell: str) -> float | None:
    try:
        return float(cell)
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
