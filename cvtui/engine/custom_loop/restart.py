"""A watched job that torchrun has restarted goes on in the run folder it had."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import msgspec

from cvtui import door
from cvtui.engine.runtime.job_rank import JobRank
from cvtui.runlog.events import RunStarted
from cvtui.runlog.folder import RunFolder, list_runs
from cvtui.runlog.history import History

NEWEST = 100
"""Runs that are looked through for the one of this job."""
_FIRST = 4 << 20
"""Bytes of the longest first record that is read."""


@dataclass(frozen=True)
class FormerRun:
    """Where the processes before the restart had come to."""

    folder: RunFolder
    step: int = 0
    epoch: int = 0
    seconds: float = 0.0
    best: float | None = None
    """Best validation accuracy."""


def former_run(runs: Path, me: JobRank, block: int) -> FormerRun | None:
    """Return the run of this job's earlier processes; None where there is none, or another process holds it."""
    for folder in list_runs(runs)[:NEWEST] if me.restart else ():
        first = _first_record(folder)
        same = first is not None and first.ranks.get("job") == me.job and first.ranks.get("block") == block
        if same and not folder.alive():
            return _read(folder)
    return None


def _first_record(folder: RunFolder) -> RunStarted | None:
    try:
        with door.opened(folder.events) as file:
            return msgspec.json.decode(file.readline(_FIRST), type=RunStarted)
    except (OSError, msgspec.MsgspecError, ValueError, RecursionError):
        return None


def _read(folder: RunFolder) -> FormerRun:
    history = History(folder)
    history.poll()
    accuracies = [one.val_accuracy for one in history.epochs if one.val_accuracy is not None]
    return FormerRun(
        folder,
        history.steps.end,
        history.epochs[-1].epoch if history.epochs else 0,
        float(history.steps.seconds[-1]) if len(history.steps.seconds) else 0.0,
        max(accuracies, default=None),
    )
