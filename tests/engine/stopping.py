"""Runs that are stopped after a known number of steps, in this process."""

from __future__ import annotations

import shutil
import signal
from pathlib import Path

import msgspec

from cvtui.engine.train.control import Signals
from cvtui.engine.worker import train_folder
from cvtui.recipe.toml import dumps, load
from cvtui.runlog.folder import RunFolder


class SignalAfter(Signals):
    """SIGTERM comes when the loop has asked so often (once a step, once a batch of a validation)."""

    def __init__(self, times: int) -> None:
        self._left = times
        super().__init__()

    @property
    def number(self) -> int:
        self._left -= 1
        return 0 if self._left >= 0 else signal.SIGTERM

    @number.setter
    def number(self, value: int) -> None:
        """Leave out the number that the base class begins with."""


def stop_after(run: RunFolder, times: int) -> RunFolder:
    """Train a run so far and stop it, with a checkpoint."""
    assert train_folder(run.path, SignalAfter(times)) == 128 + signal.SIGTERM, run.log.read_text()
    return run


def copy_of(run: RunFolder, base: Path) -> RunFolder:
    """Copy the whole folder below `base`, under the same name."""
    return RunFolder(Path(shutil.copytree(run.path, base / run.name)))


def edit(run: RunFolder, **changes: object) -> None:
    """Write other values into its recipe.toml."""
    run.recipe.write_text(dumps(msgspec.structs.replace(load(run.recipe), **changes)), encoding="utf-8")
