"""CSV as web pages export it, made a table with a column for each metric: W&B's charts, single metrics, long tables."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from cvtui.errors import RequestError

WANDB = "W&B's export of a chart"
STEPS = ("step", "global_step", "trainer/global_step", "_step", "iter", "iteration", "iterations", "batch")
EPOCHS = ("epoch", "epochs")
_KEYS = ("key", "metric", "metricname", "metric_name", "metric name", "tag", "variable")
_VALUES = ("value", "metricvalue", "metric_value", "metric value")
_RUNS = ("run_id", "run id", "run_uuid", "run", "run.hash", "run_name", "run name", "experimentkey", "experiment_key")
_TIMES = ("timestamp", "wall time", "time", "wall_time", "timestep", "")
_OF_RUNS = ({"name", "state"}, {"run id", "start time"}, {"run id", "status"}, {"run_id", "status"})
"""Columns of a table with a row for each run."""
_BOUND = ("__min", "__max")


class Table(NamedTuple):
    """Names of the columns, and the cells below them."""

    kind: str
    names: list[str]
    rows: list[list[str]]


def reshaped(path: Path, names: Sequence[str], rows: Sequence[Sequence[str]]) -> Table | None:
    """Return the table with a column for each metric; None where it is one already. RequestError for a list of runs."""
    lower = [name.lower() for name in names]
    if any(name.endswith(_BOUND) for name in lower):
        return _chart(names, rows)
    counted = any(name in lower for name in (*STEPS, *EPOCHS))
    if not counted and any(columns <= set(lower) for columns in _OF_RUNS):
        raise RequestError(
            f"{str(path)!r} has a row for each run, not for each step: it has no curve",
            hint="export a chart of one run as CSV, or name the folder that the run wrote",
        )
    key = next((lower.index(name) for name in _KEYS if name in lower), None)
    value = next((lower.index(name) for name in _VALUES if name in lower), None)
    if value is None:
        return None
    if key is not None:
        return _long(path, names, rows, key, value)
    if all(name in (*STEPS, *EPOCHS, *_TIMES, *_VALUES) for name in lower):
        tag = re.sub(r"^run-.*?-tag-", "", path.stem)  # TensorBoard's name for it
        kept = [place for place, name in enumerate(lower) if name not in _TIMES]
        return Table(
            "a CSV file of one metric, named as the file",
            [tag if place == value else names[place] for place in kept],
            [[row[place] for place in kept if place < len(row)] for row in rows],
        )
    return None


def _chart(names: Sequence[str], rows: Sequence[Sequence[str]]) -> Table:
    """Return a chart's own columns, without their bounds; of one run without its name before each."""
    kept = [
        place
        for place, name in enumerate(names)
        if not name.lower().endswith(_BOUND) and not (place and name.endswith((" - _step", " - _timestamp")))
    ]
    runs = {names[place].rpartition(" - ")[0] for place in kept[1:]}
    own = [names[place].rpartition(" - ")[2] if len(runs) == 1 else names[place] for place in kept[1:]]
    axis = names[kept[0]].lower() if kept else ""
    first = "epoch" if axis in EPOCHS else "step" if axis in STEPS else names[kept[0]] if kept else ""
    return Table(WANDB, [first, *own], [[row[place] for place in kept if place < len(row)] for row in rows])


def _long(path: Path, names: Sequence[str], rows: Sequence[Sequence[str]], key: int, value: int) -> Table:
    """Return a table of rows (metric, value, step) with a column a metric; a metric's values are counted without steps.

    RequestError where several runs are in it.
    """
    lower = [name.lower() for name in names]
    run = next((lower.index(name) for name in _RUNS if name in lower), None)
    whole = [row for row in rows if len(row) > max(key, value, run or 0)]
    runs = sorted({row[run] for row in whole}) if run is not None else []
    if len(runs) > 1:
        raise RequestError(
            f"{str(path)!r} holds {len(runs):,} runs: {', '.join(runs[:4])}{' …' if len(runs) > 4 else ''}",
            hint=f"keep the rows of one {names[run or 0]!r}",
        )
    axis = next((lower.index(name) for name in (*STEPS, *EPOCHS) if name in lower), None)
    metrics = list(dict.fromkeys(row[key] for row in whole))
    places = {name: place for place, name in enumerate(metrics, 1)}
    seen = dict.fromkeys(metrics, 0)
    table = []
    for row in whole:
        cells = [""] * (len(metrics) + 1)
        cells[0] = row[axis] if axis is not None and axis < len(row) else str(seen[row[key]])
        cells[places[row[key]]] = row[value]
        seen[row[key]] += 1
        table.append(cells)
    return Table("a CSV file of one value a row", [names[axis] if axis is not None else "step", *metrics], table)
