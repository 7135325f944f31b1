"""MLflow's folders: a run has a file for each metric, with a line `time value step` for each value."""

from __future__ import annotations

import os
from pathlib import Path

from cvtui import door
from cvtui.errors import RequestError
from cvtui.runlog.foreign.scalars import ScalarLog

MOST = 1 << 28


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
