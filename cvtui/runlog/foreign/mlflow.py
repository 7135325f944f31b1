"""MLflow: a run's folder with a file for each metric, a line `time value step` for each value; or its SQLite file."""

from __future__ import annotations

import contextlib
import math
import os
from pathlib import Path

from cvtui import door
from cvtui.errors import RequestError
from cvtui.runlog.foreign.scalars import ScalarLog

MOST = 1 << 28
SQLITE = b"SQLite format 3\0"
_HUGE = 1.7e308
"""MLflow keeps infinity in a database as the largest float."""


def the_run(path: Path) -> Path | None:
    """Return the one run at a path or below it; None without. RequestError where there are several."""
    found = [path] if is_run(path) else runs_below(path)
    if len(found) > 1:
        raise RequestError(
            f"{str(path)!r} holds {len(found):,} runs of MLflow", hint=f"name one: cvtui doctor {found[0]}"
        )
    return found[0] if found else None


def is_run(path: Path) -> bool:
    """Return True if a folder is one of MLflow's runs."""
    return (path / "meta.yaml").is_file() and (path / "metrics").is_dir()


def runs_below(path: Path) -> list[Path]:
    """Return MLflow's runs in a tracking folder (mlruns) or in one of its experiments."""
    found: list[Path] = []
    for one in sorted(os.scandir(path), key=lambda entry: entry.name):
        if not one.is_dir() or one.name in (".trash", "models") or one.is_symlink():
            continue
        below = Path(one.path)
        if is_run(below):
            found.append(below)
        elif (below / "meta.yaml").is_file():
            found += [Path(run.path) for run in sorted(os.scandir(below), key=lambda entry: entry.name)
                      if run.is_dir() and is_run(Path(run.path))]  # fmt: skip
    return found


def read_run(path: Path) -> ScalarLog:
    """Read the metrics of one run. OSError; RequestError where it has none."""
    log = ScalarLog("an MLflow run")
    bad = 0
    folder = path / "metrics"
    for base, _, names in os.walk(folder):
        for name in sorted(names):
            file = Path(base) / name
            text = door.read_input(file, MOST).decode("utf-8", "replace")
            for line in text.splitlines():
                try:
                    value, step = float(line.split()[1]), int(line.split()[2])
                except (ValueError, IndexError):
                    bad += 1
                    continue
                log.add(file.relative_to(folder).as_posix(), step, value)
    if not log.values:
        raise RequestError(f"{str(path)!r} (an MLflow run) holds no metrics")
    if bad:
        log.notes.append(f"{bad:,} line{'s' if bad > 1 else ''} without a value and a step left out")
    return log


def read_database(path: Path, run: str = "") -> ScalarLog:
    """Read the metrics of one run of MLflow's SQLite file. run: its name or id. OSError; RequestError.

    The file is read, not opened: nothing is locked, and no journal of it is written.
    """
    try:
        import sqlite3
    except ImportError:
        raise RequestError("this Python has no sqlite3, which reads MLflow's database", hint=EXPORT) from None
    data = bytearray(door.read_input(path, MOST))
    data[18:20] = b"\1\1"  # a journal in write-ahead mode can't be had in memory: what is in the file counts
    with contextlib.closing(sqlite3.connect(":memory:")) as base:
        try:
            base.deserialize(bytes(data))
            base.execute("PRAGMA trusted_schema = OFF")
            runs = base.execute(
                "SELECT run_uuid, name FROM runs WHERE run_uuid IN (SELECT DISTINCT run_uuid FROM metrics) "
                "AND lifecycle_stage = 'active' ORDER BY start_time DESC"
            ).fetchall()
            found = _chosen(path, [(str(one), str(name)) for one, name in runs], run)
            rows = base.execute("SELECT key, step, value, is_nan FROM metrics WHERE run_uuid = ? ORDER BY timestamp",
                                (found,)).fetchall()  # fmt: skip
        except sqlite3.Error as error:
            raise RequestError(f"{str(path)!r} is no database of MLflow: {error}", hint=EXPORT) from None
    log = ScalarLog("an MLflow run")
    for key, step, value, is_nan in rows:
        number = math.nan if is_nan else float(value)
        log.add(str(key), int(step), math.copysign(math.inf, number) if abs(number) > _HUGE else number)
    return log


EXPORT = "MLflow's page of a run exports its metrics as CSV"


def _chosen(path: Path, runs: list[tuple[str, str]], wanted: str) -> str:
    """Return the id of the run of that name or id, or of the only one. RequestError."""
    found = [one for one, name in runs if not wanted or wanted in (one, name)]
    if len(found) == 1:
        return found[0]
    some = ", ".join(name for _, name in runs[:6]) + (" …" if len(runs) > 6 else "")
    if not runs:
        raise RequestError(f"{str(path)!r} (a database of MLflow) holds no run with metrics")
    if not found:
        raise RequestError(f"{str(path)!r} holds no run {wanted!r}; the newest are {some}")
    way = runs[0][1] if not wanted else found[0]
    raise RequestError(
        f"{str(path)!r} holds {len(found):,} runs of MLflow{f' named {wanted!r}' if wanted else f': {some}'}",
        hint=f"name one: cvtui doctor {path / way}",
    )
