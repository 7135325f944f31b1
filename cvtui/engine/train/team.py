"""Process that trains a run alone; one rank of several is engine/ranks/rank_team.py."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any, Literal, NamedTuple

from cvtui.engine.observe.live_doctor import LiveDoctorWriter
from cvtui.engine.train.control import Signals
from cvtui.engine.train.state import TrainingState
from cvtui.engine.train.trainer import Trainer
from cvtui.recipe.validation import Checked
from cvtui.runlog.folder import RunFolder
from cvtui.runlog.lock import WorkerLock
from cvtui.runlog.writer import EventWriter


class RunResult(NamedTuple):
    """Status, reason and exit code of a run that has ended."""

    status: Literal["finished", "stopped", "diverged", "failed"]
    reason: str
    code: int
    step: int = 0
    missing: str = ""
    """What was to be kept and is not on the disk, in words."""
    watch_cost: float | None = None
    ends: bool = True
    """It is the run's end; False where another process says what comes of it (ranks)."""


class Team:
    """A process that trains alone."""

    leads = True
    """It writes the run folder."""
    shares = False
    """Others train the run as well."""
    again = "`cvtui resume` continues"
    """How a run that has been begun goes on."""

    def lock(self, folder: RunFolder) -> AbstractContextManager[WorkerLock | None]:
        """Return what keeps other processes from training in the folder. RequestError where one does."""
        return folder.lock()

    def check(self, checked: Checked, folder: RunFolder) -> Checked:
        """Check that the recipe can be trained so. RequestError."""
        del folder
        return checked

    def prepare(self, make: Callable[[], tuple[TrainingState, str]]) -> tuple[TrainingState, str]:
        """Prepare the training; return a message too."""
        return make()

    def record(self) -> dict[str, Any]:
        """Return what the record `run` says of the processes."""
        return {}

    def lines(self, training: TrainingState) -> list[str]:
        """Return what the log says of the processes at the start."""
        del training
        return []

    def trainer(self, training: TrainingState, folder: RunFolder, writer: EventWriter, signals: Signals) -> Trainer:
        """Make the trainer."""
        return Trainer(training, folder, writer, signals)

    def writer(self, folder: RunFolder) -> EventWriter:
        """Make the writer of the log."""
        return LiveDoctorWriter(folder)

    def failed(self, error: BaseException, message: str) -> bool:
        """Take note of an error; return True if it ends the run, False where another process says what comes of it."""
        del error, message
        return True

    def exit_code(self, outcome: RunResult) -> int:
        """Return the exit code of this process."""
        return outcome.code
