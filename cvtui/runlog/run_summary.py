"""One line about a run, for lists of many: cheaper than a whole `History`, and only what is new is read again."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from cvtui import door
from cvtui.runlog import disk_note as worker_note
from cvtui.runlog import events
from cvtui.runlog.folder import RunFolder
from cvtui.runlog.manage import is_pinned, note_of
from cvtui.runlog.record_limits import BROKEN, LIMITS, recipe_values, sanitized
from cvtui.runlog.run_state import state_without_end
from cvtui.runlog.tail import Tail

_decoder = msgspec.json.Decoder(
    events.RunStarted | events.EpochDone | events.CommandApplied | events.Log | events.Finding | events.RunEnded
)
_PASSED = tuple(b'{"type":"%s"' % kind for kind in (b"layers", b"log", b"finding", b"picture", b"checkpoint"))
_STEPS = b'{"type":"steps",'


@dataclass(frozen=True, slots=True, kw_only=True)
class RunSummary:
    """What the list of runs shows. Numbers that a run has not come to are None."""

    folder: RunFolder
    name: str
    state: str
    """As `History.state`."""
    reason: str
    """Of the end, where there is one."""
    epochs: int
    """Epochs done."""
    epochs_asked: int | None
    steps: int
    """Steps done, as of the last record that says so."""
    steps_asked: int | None
    best_val_accuracy: float | None
    val_loss: float | None
    """Of the last epoch."""
    not_finite: dict[str, str]
    """What nulls of the last epoch were: {"val_loss": "nan"}."""
    data: str
    net: str
    recipe: dict[str, Any]
    started: float | None
    """Unix time of the first process's start."""
    seconds: float
    """Training time, pauses not counted."""
    parent: str = ""
    """The run that this one was forked from."""
    note: str = ""
    """The note about it."""
    trouble: str = ""
    """What the disk refused: while the run goes on, or of a run that is over what is not in its folder."""
    pinned: bool = False
    """It is drawn over the other runs of its folder."""


class _Scan:
    """Running totals of a log; keeps its position in the file between two calls."""

    def __init__(self, folder: RunFolder) -> None:
        self.folder = folder
        self.tail = Tail(folder.events)
        self.begin()

    def begin(self) -> None:
        self.first: events.RunStarted | None = None
        self.run: events.RunStarted | None = None
        self.end: events.RunEnded | None = None
        self.epochs: list[events.EpochDone] = []
        self.paused = False
        self.last_steps: bytes = b""

    def update(self) -> None:
        for _, line in self.tail.lines():
            if self.tail.restarted:
                self.begin()
                self.tail.restarted = False
            if line.startswith(_STEPS):
                self.last_steps = line
            elif not line.startswith(_PASSED):
                self.take(line)
        if self.tail.restarted:
            self.begin()

    def take(self, line: bytes) -> None:
        try:
            record = sanitized(_decoder.decode(line))
        except BROKEN:
            return
        match record:
            case events.RunStarted():
                self.first = self.first or record
                self.run, self.end, self.paused = record, None, False
            case events.EpochDone():
                while self.epochs and self.epochs[-1].epoch >= record.epoch:
                    self.epochs.pop()
                self.epochs.append(record)
            case events.CommandApplied(command="pause" | "resume"):
                self.paused = record.command == "pause"
            case events.RunEnded():
                self.end = record
            case _:
                pass

    def progress(self) -> tuple[int, float]:
        """Return (steps done, seconds) of the latest record that has them."""
        steps, seconds = (self.epochs[-1].step, self.epochs[-1].seconds) if self.epochs else (0, 0.0)
        try:
            last = msgspec.json.decode(self.last_steps, type=events.Steps) if self.last_steps else None
        except BROKEN:
            last = None
        if last is not None and steps <= last.first + len(last.loss) <= LIMITS["step"][1]:
            steps = last.first + len(last.loss)
            known = last.seconds[-1] if last.seconds else None
            if known is not None and known <= LIMITS["seconds"][1]:
                seconds = max(seconds, known)
        return steps, seconds

    def state(self) -> str:
        if self.end is not None:
            return self.end.status
        return state_without_end(self.folder, self.run is not None, self.paused, self.tail)


_scans: dict[Path, _Scan] = {}


def summary(folder: RunFolder) -> RunSummary:
    """Summarise the run in one line.

    The first call reads the log once (about 1 GB/s); later ones only what is new.
    """
    scan = _scans.get(folder.path)
    if scan is None:
        if len(_scans) >= 4096:
            _scans.clear()
        scan = _scans[folder.path] = _Scan(folder)
    scan.update()
    steps, seconds = scan.progress()
    recipe = scan.run.recipe if scan.run else _recipe_of(folder)
    asked = recipe.get("epochs")
    accuracies = [record.val_accuracy for record in scan.epochs if record.val_accuracy is not None]
    return RunSummary(
        folder=folder,
        name=folder.name,
        state=scan.state(),
        reason=scan.end.reason if scan.end else "",
        epochs=scan.epochs[-1].epoch if scan.epochs else 0,
        epochs_asked=asked if isinstance(asked, int) else None,
        steps=max(steps, scan.end.step if scan.end else 0),
        steps_asked=scan.run.total_steps if scan.run else None,
        best_val_accuracy=max(accuracies, default=None),
        val_loss=scan.epochs[-1].val_loss if scan.epochs else None,
        not_finite=scan.epochs[-1].not_finite if scan.epochs else {},
        data=str(recipe.get("data", "")),
        net=str(recipe.get("net", "")),
        recipe=recipe,
        started=scan.first.time if scan.first else None,
        seconds=seconds,
        parent=_parent(scan.run, folder),
        note=note_of(folder),
        trouble=worker_note.read(folder.note) or (scan.end.missing if scan.end else ""),
        pinned=is_pinned(folder),
    )


def _parent(run: events.RunStarted | None, folder: RunFolder) -> str:
    """Return the parent's name: as logged, or (begun anew from another's recipe) as its folder notes."""
    if run is not None and run.parent:
        return str(run.parent.get("run", ""))
    try:
        return str(msgspec.json.decode(door.read(folder.path / "fork.json")).get("run", ""))
    except (OSError, msgspec.MsgspecError, ValueError, AttributeError, RecursionError):
        return ""


def _recipe_of(folder: RunFolder) -> dict[str, Any]:
    """Return the recipe as written, for a run that has no log yet; {} where it can't be read."""
    import tomllib

    try:
        return recipe_values(tomllib.loads(door.text(folder.recipe)))
    except (OSError, ValueError, RecursionError):
        return {}
