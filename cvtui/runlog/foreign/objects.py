"""Logs of one object a row: JSON lines, a JSON list of them, a dict of columns (Keras's history), dicts as printed."""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

from cvtui import door
from cvtui.errors import RequestError
from cvtui.runlog.foreign.decoding import decoded
from cvtui.runlog.foreign.kinds import CLEARML, kind_of
from cvtui.runlog.foreign.scalars import ScalarLog

MOST = 1 << 28
STEPS = ("global_step", "step", "_step", "iteration", "iter", "train_step", "batch")
EPOCHS = ("epoch", "epochs")
SPLIT = ("mode", "phase", "split", "stage", "subset")
SPLITS = ("train", "val", "valid", "validation", "eval", "test")
_NUMBER = re.compile(r"\s*[-+]?(?:\d+\.?\d*(?:e[-+]?\d+)?|\.\d+(?:e[-+]?\d+)?|nan|inf|infinity)\s*", re.IGNORECASE)
"""A number in quotes, as Hugging Face's Trainer prints them since 5."""
DEEP = 4
"""Objects within objects whose numbers are named a/b/c."""


def read_json(path: Path) -> ScalarLog:
    """Read JSON lines, a list of objects or a dict of columns. RequestError where it is none of these; OSError."""
    text = decoded(door.read_input(path, MOST))
    rows = rows_of(text)
    if not rows:
        raise RequestError(
            f"{str(path)!r} holds no rows of numbers",
            hint="JSON lines, a list of objects, a dict of lists (a history), or Hugging Face's trainer_state.json",
        )
    clearml = path.name == "metrics.jsonl" and '"variant": ' in text[:2000]
    return log_of(rows, CLEARML if clearml else "a JSON log", path.name)


def rows_of(text: str) -> list[dict[str, Any]]:
    """Return the objects of a text; [] where it is no JSON of rows. A last line that is still being written is left."""
    try:
        whole = json.loads(text)
    except (ValueError, RecursionError):
        return [row for line in text.split("\n") for row in _of_line(line)]
    if isinstance(whole, dict) and isinstance(whole.get("history"), dict):
        whole = whole["history"]
    if isinstance(whole, dict):
        columns = {name: one for name, one in whole.items() if isinstance(one, list)}
        count = max(map(len, columns.values()), default=0)
        rows = [{name: one[row] for name, one in columns.items() if row < len(one)} for row in range(count)]
        return [{"epoch": number, **row} for number, row in enumerate(rows, 1)]
    return [_event(row) for row in whole if isinstance(row, dict)] if isinstance(whole, list) else []


def _of_line(line: str) -> list[dict[str, Any]]:
    """Return the objects of a line of JSON: one, or a list of ClearML's events."""
    if line.lstrip().startswith("["):
        try:
            whole = json.loads(line)
        except (ValueError, RecursionError):
            return []
        return [_event(row) for row in whole if isinstance(row, dict)]
    row = object_of(line)
    return [] if row is None else [_event(row)]


def _event(row: dict[str, Any]) -> dict[str, Any]:
    """Return an event of ClearML (metric, variant, iter, value) or of Comet by its metric's name; else the row."""
    inner = row.get("payload", row)
    metric = inner.get("metric") if isinstance(inner, dict) else None
    if isinstance(metric, dict) and "metricName" in metric:
        at = {name: metric[name] for name in ("step", "epoch") if isinstance(metric.get(name), int | float)}
        return {**at, str(metric["metricName"]): metric.get("metricValue")}
    if isinstance(metric, str) and {"variant", "iter", "value"} <= row.keys():
        return {"iter": row["iter"], f"{metric}/{row['variant']}": row["value"]}
    return row


def object_of(line: str) -> dict[str, Any] | None:
    """Return the object that a line is, as JSON or as Python prints it; None of another line."""
    line = line.strip()
    if not (line.startswith("{") and line.endswith("}")):
        return None
    for read in (json.loads, ast.literal_eval):
        try:
            found = read(line)
        except (ValueError, SyntaxError, MemoryError, RecursionError, TypeError):
            continue
        return found if isinstance(found, dict) else None
    return None


def log_of(rows: Sequence[Mapping[str, Any]], kind: str, file: str = "") -> ScalarLog:
    """Return the numbers of all rows by step; by epoch, or counted, where no row names a step that never goes back.

    A row that says of which split it is (`"mode": "val"`) has it before its names.
    """
    flat = [_split(row, _flat(row)) for row in rows]
    names = {name for row in flat for name in row}
    log = ScalarLog(kind_of(file, names, kind) if file else kind)
    places, log.axis, word = _places(flat)
    if not word:
        log.notes.append("its rows are counted: no step or whole epoch is in them")
    for place, row in zip(places, flat, strict=True):
        for name, value in row.items():
            if name not in STEPS and name not in EPOCHS:
                log.add(name, place, value)
    return log


def _split(row: Mapping[str, Any], numbers: dict[str, float]) -> dict[str, float]:
    told = next((row[key] for key in SPLIT if isinstance(row.get(key), str) and row[key] in SPLITS), "")
    if "data_time" in row and "step" in row and "iter" not in row:  # mmengine's validation; its step counts epochs
        told = "val"
        numbers = {name: value for name, value in numbers.items() if name != "step"}
    if not told or any(word in name for name in numbers for word in SPLITS):
        return numbers
    return {name if name in (*STEPS, *EPOCHS) else f"{told}/{name}": value for name, value in numbers.items()}


def _places(rows: Sequence[Mapping[str, float]]) -> tuple[list[int], str, str]:
    """Return (where each row is, what such a place is, the key that tells it); "" as the key: they are counted."""
    for axis, keys in (("step", STEPS), ("epoch", EPOCHS)):
        for key in keys:
            told = [row.get(key) for row in rows]
            known = [value for value in told if value is not None]
            whole = all(value == round(value) and abs(value) < 1 << 53 for value in known)
            if len(known) < 0.5 * len(rows) or not whole or any(a > b for a, b in pairwise(known)):
                continue
            last, places = int(known[0]), []
            for value in told:
                last = last if value is None else int(value)
                places.append(last)
            return places, axis, key
    return list(range(len(rows))), "step", ""


def _flat(row: Mapping[str, Any], before: str = "", deep: int = 0) -> dict[str, float]:
    """Return the numbers of an object by name, those of an object in it as a/b."""
    found: dict[str, float] = {}
    for name, value in row.items():
        named = f"{before}{name}"
        if isinstance(value, Mapping) and deep < DEEP:
            found |= _flat(value, f"{named}/", deep + 1)
        elif (isinstance(value, int | float) and not isinstance(value, bool)) or (
            isinstance(value, str) and _NUMBER.fullmatch(value)
        ):
            found[named] = float(value)
    return found
