"""Which folders hold a log of another program, by the names of their files alone. Cheap to import."""

from __future__ import annotations

import os
from collections.abc import Collection, Sequence
from pathlib import Path

from cvtui.runlog.folder import DEEPEST, LABS, is_run
from cvtui.text import counted

EVENTS = "events.out.tfevents."
NAMED = (
    "trainer_state.json",
    "metrics.csv",
    "results.csv",
    "summary.csv",
    "history.csv",
    "metrics.json",
    "scalars.json",
    "metrics.jsonl",
)
CATALYST = {"train": "train.csv", "valid": "valid.csv"}
SPLITS = ("train", "training", "val", "valid", "validation", "eval", "test", "dev")


def holds_log(names: Collection[str]) -> bool:
    """Return True for the files' names of a folder that `cvtui doctor` reads as one log."""
    known = any(name in NAMED or EVENTS in name or name.endswith((".wandb", ".log.json")) for name in names)
    return known or set(CATALYST.values()) <= set(names)


def logs_below(bases: Sequence[Path], deepest: int = DEEPEST) -> list[Path]:
    """Return the folders with a log of another program, in `bases` and below them, by name.

    As for runs, neither hidden folders nor links are entered, nor a run or a log; `train` and `validation` beside each
    other are one log, that of the folder above.
    """
    found: set[Path] = set()
    waiting = [(Path(base), 0) for base in bases]
    while waiting:
        path, depth = waiting.pop()
        try:
            entries = [entry for entry in os.scandir(path) if not entry.name.startswith(".")]
            folders = [Path(entry.path) for entry in entries if entry.is_dir() and not entry.is_symlink()]
        except OSError:
            continue
        log = holds_log([entry.name for entry in entries])
        if log:
            found.add(path.parent if depth > 1 and path.name.lower() in SPLITS else path)
        if depth < deepest and (depth == 0 or not log):
            waiting += [(below, depth + 1) for below in folders if below.name != LABS and not is_run(below)]
    return sorted(found)


def told(logs: Sequence[Path]) -> str:
    """Return "2 logs of other programs"."""
    return f"{counted(len(logs), 'log')} of {'other programs' if len(logs) > 1 else 'another program'}"
