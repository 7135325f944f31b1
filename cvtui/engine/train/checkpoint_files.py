"""Checkpoint files of a run: which state each name holds, and what is missing on the disk.

A save may fail (a full disk), and a process may be killed within one. So what best.pt holds is remembered apart from
the best epoch that was seen, and a name that failed is not forgotten. last.pt, from which a run goes on, is given its
name after the others: killed before that, the run goes on from the state before, and writes the others once more.
"""

from __future__ import annotations

import math
import time
from typing import NamedTuple

from cvtui import door
from cvtui.engine.observe.recorder import StepRecorder
from cvtui.engine.train import checkpoint
from cvtui.engine.train.state import TrainingState
from cvtui.runlog.events import CheckpointSaved, Log
from cvtui.runlog.folder import RunFolder

LAST, BEST = "last.pt", "best.pt"
RETRY_SECONDS = 10.0
"""Interval to the next attempt after a checkpoint that the disk refused."""
SHORT_SECONDS = 2.0
"""Epochs that end sooner after a save share the next one: five steps of a tiny net took as long as their checkpoint."""
NAMED = 3
"""Missing files that are named; the others are counted."""

Names = list[tuple[checkpoint.Reason, str]]
"""(why, file name)."""


class BestOnDisk(NamedTuple):
    """Epoch and accuracy of the state in best.pt."""

    epoch: int
    accuracy: float


def seconds_of(text: str) -> float:
    """`30s`, `5m`, `1h` in seconds; infinite for an empty text."""
    return float(text[:-1]) * {"s": 1, "m": 60, "h": 3600}[text[-1]] if text else math.inf


class CheckpointFiles:
    """Writer of a run's checkpoints, which knows which of them are on the disk."""

    waits = True
    """last.pt alone may wait for SHORT_SECONDS after the save before."""

    def __init__(self, training: TrainingState, folder: RunFolder, recorder: StepRecorder) -> None:
        self.training = training
        self.folder = folder
        self.recorder = recorder
        self.rule = checkpoint.KeepRule(training.recipe.keep)
        self.unsaved = ""
        """Error of the last checkpoint, where it could not be written."""
        self.held: BestOnDisk | None = None
        self._logged: set[str] = set()
        self._interval = seconds_of(training.recipe.save_every)
        self._due_at = time.perf_counter() + self._interval
        self._saved_at = -math.inf
        self._waiting: float | None = None
        """Validation accuracy of an epoch whose state is not written yet."""
        if self.rule.best and door.is_file(folder.checkpoints / BEST):
            self._read_best()

    def due(self) -> bool:
        """Return True when a checkpoint within the epoch is due."""
        return time.perf_counter() >= self._due_at

    def save_epoch(self, accuracy: float | None, best: bool) -> None:
        """Save under all names that the rule gives this epoch, which may be the best so far.

        It becomes best.pt also where it is only better than what best.pt holds, because the best could not be written.
        """
        better = accuracy is not None and (self.held is None or accuracy > self.held.accuracy)
        names = self.rule.names(self.training.epoch, best or better)
        soon = self._saved_at + SHORT_SECONDS
        if self.waits and names == [("last", LAST)] and accuracy is not None and time.perf_counter() < soon:
            self._waiting, self._due_at = accuracy, min(self._due_at, soon)
            return
        self.save(names, accuracy)

    def finish(self) -> None:
        """Write the state of the last epoch, where that has waited."""
        if self._waiting is not None:
            self.save([("last", LAST)], self._waiting)

    def save(self, names: Names, accuracy: float | None = None) -> str:
        """Write the state once, under each name; return why the disk refused, "" when all is written.

        accuracy: on the validation images, where this state was validated. A disk that refuses is a line in the log and
        ends nothing.
        """
        self.recorder.flush()
        self._due_at = time.perf_counter() + self._interval
        t, target, why = self.training, self.folder.checkpoints, ""
        asked = [name for _, name in names]
        missing = t.missing
        t.accuracy, t.missing = accuracy, [name for name in missing if name not in asked]
        done: Names = []
        try:
            if LAST in asked and door.is_file(target / LAST):
                checkpoint.link(target / LAST, target / "last-1.pt")  # where the new one turns out to be damaged
            for reason, name in sorted(names, key=lambda entry: entry[1] == LAST):
                if done:
                    checkpoint.link(target / done[0][1], target / name)
                else:
                    checkpoint.save(t.state(), target / name)
                done.append((reason, name))
        except OSError as error:
            why = error.strerror or str(error)
            self._due_at = min(self._due_at, time.perf_counter() + RETRY_SECONDS)
        for reason, name in done:
            path = f"{target.name}/{name}"
            self.recorder.write(
                CheckpointSaved(step=t.step, epoch=t.epoch, path=path, reason=reason, val_accuracy=accuracy)
            )
        written = [name for _, name in done]
        self._note_result([name for name in asked if name not in written], written, why)
        return why

    def _note_result(self, failed: list[str], written: list[str], why: str) -> None:
        t = self.training
        if BEST in written and t.accuracy is not None:
            self.held = BestOnDisk(t.epoch, t.accuracy)
        if LAST in written:
            self._saved_at, self._waiting = time.perf_counter(), None
            self.unsaved = ""
            self._logged.clear()
        t.missing += [name for name in failed if name not in (LAST, BEST)]
        if not failed:
            return
        if LAST in failed:
            self.unsaved = why
        messages = {f"{name}: {why}" for name in failed}
        if not messages <= self._logged:  # said once, tried again and again
            text = f"the checkpoint{'s' if len(failed) > 1 else ''} {', '.join(failed)} could not be written: {why}"
            self.recorder.write(Log(time=time.time(), text=text, level="error", step=t.step))
        self._logged |= messages

    def catch_up(self) -> None:
        """Write the missing checkpoints of the epoch that a resumed run goes on from."""
        t = self.training
        if t.accuracy is None or t.batch_index:
            return
        best = t.best_epoch == t.epoch and self.held != BestOnDisk(t.epoch, t.accuracy)
        names = [
            (reason, name)
            for reason, name in self.rule.names(t.epoch, best)
            if name == BEST or (name != LAST and not door.is_file(self.folder.checkpoints / name))
        ]
        if names:
            self.save(names, t.accuracy)

    def thin(self) -> None:
        """Remove what a run that has ended keeps no longer; nothing where a file is missing."""
        if not self.missing():
            self.rule.thin(self.folder.checkpoints)

    def missing(self) -> str:
        """Message about checkpoints that could not be written; "" when all are there."""
        t, parts = self.training, []
        if self.unsaved:
            parts.append(f"the last checkpoint could not be written: {self.unsaved}")
        if t.missing:
            more = f" and {len(t.missing) - NAMED:,} more" if len(t.missing) > NAMED else ""
            parts.append(f"{', '.join(t.missing[:NAMED])}{more} could not be written")
        held = self.held if door.is_file(self.folder.checkpoints / BEST) else None
        if self.rule.best and t.best is not None and (held is None or held.accuracy < t.best):
            holds = f"best.pt holds epoch {held.epoch} ({held.accuracy:.2%})" if held else "there is no best.pt"
            parts.append(f"{holds}: the best, epoch {t.best_epoch} ({t.best:.2%}), is not on the disk")
        return "; ".join(parts)

    def _read_best(self) -> None:
        """Read what best.pt of a resumed run holds."""
        t, message = self.training, ""
        try:
            state = checkpoint.load(self.folder.checkpoints / BEST)
            accuracy = state.get("val_accuracy", state["best"])
            self.held = BestOnDisk(int(state["epoch"]), float(accuracy))
        except (checkpoint.Damaged, OSError, KeyError, TypeError, ValueError) as error:
            message = f"{BEST} can't be read ({error}): the next epoch takes its place"
        if self.held is not None and self.held.epoch > t.epoch:
            message = (
                f"{BEST} holds epoch {self.held.epoch} ({self.held.accuracy:.2%}), of after the checkpoint that the "
                "run goes on from; it stays until an epoch is better than those before"
            )
        if message:
            self.recorder.write(Log(time=time.time(), text=message, level="warning", step=t.step))
