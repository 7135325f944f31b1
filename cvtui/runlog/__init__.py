"""The room of the run folder: what a run did, as data (see events.py for the record types).

Everything is handed on lazily (PEP 562): the engine's writer costs no numpy, the record types only msgspec.
`launch` is fetched from its own module: `from cvtui.runlog.launch import launch`.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from cvtui.runlog.commands import CommandReader, send
    from cvtui.runlog.events import (
        AnyRecord,
        CheckpointSaved,
        Command,
        CommandApplied,
        EpochDone,
        Facts,
        Finding,
        Histogram,
        Layer,
        LayersSampled,
        LayerStats,
        Log,
        PictureSaved,
        RunEnded,
        RunStarted,
        Steps,
    )
    from cvtui.runlog.folder import RunFolder, fresh_name, list_runs, newest
    from cvtui.runlog.history import History
    from cvtui.runlog.launch import usable_cores, worker_environment, worker_threads
    from cvtui.runlog.lock import WorkerLock
    from cvtui.runlog.series import Series
    from cvtui.runlog.summaries import RunSummary, summary
    from cvtui.runlog.writer import EventWriter, StepBuffer

_HOMES = {
    "commands": ("CommandReader", "send"),
    "events": (
        "AnyRecord", "CheckpointSaved", "Command", "CommandApplied", "EpochDone", "Facts", "Finding", "Histogram",
        "Layer", "LayersSampled", "LayerStats", "Log", "PictureSaved", "RunEnded", "RunStarted", "Steps",
    ),
    "folder": ("RunFolder", "fresh_name", "list_runs", "newest"),
    "history": ("History",),
    "launch": ("usable_cores", "worker_environment", "worker_threads"),
    "lock": ("WorkerLock",),
    "series": ("Series",),
    "summaries": ("RunSummary", "summary"),
    "writer": ("EventWriter", "StepBuffer"),
}  # fmt: skip
_HOME_OF = {name: module for module, names in _HOMES.items() for name in names}

__all__ = [
    "AnyRecord",
    "CheckpointSaved",
    "Command",
    "CommandApplied",
    "CommandReader",
    "EpochDone",
    "EventWriter",
    "Facts",
    "Finding",
    "Histogram",
    "History",
    "Layer",
    "LayerStats",
    "LayersSampled",
    "Log",
    "PictureSaved",
    "RunEnded",
    "RunFolder",
    "RunStarted",
    "RunSummary",
    "Series",
    "StepBuffer",
    "Steps",
    "WorkerLock",
    "fresh_name",
    "list_runs",
    "newest",
    "send",
    "summary",
    "usable_cores",
    "worker_environment",
    "worker_threads",
]


def __getattr__(name: str) -> Any:
    if name not in _HOME_OF:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(f"{__name__}.{_HOME_OF[name]}"), name)
    globals()[name] = value
    return value
