"""Compute feature maps of one validation image from a finished run's last checkpoint."""

from __future__ import annotations

import sys
from pathlib import Path

import torch

from cvtui.engine.train.lottery import prepare_run
from cvtui.engine.train.resume import newest_checkpoint, restore
from cvtui.engine.train.snapshots import Snapshots
from cvtui.errors import RequestError
from cvtui.recipe.validation import check
from cvtui.runlog.folder import RunFolder
from cvtui.runlog.history import History
from cvtui.runlog.lock import Busy, WorkerLock, take
from cvtui.runlog.origin import recipe_of
from cvtui.runlog.writer import EventWriter

LOCK = "look.lock"
"""Not the trainer's: its holder is a training, and to a screen the run would be alive again."""
TIMEOUT_SECONDS = 60.0


def add_feature_maps(path: Path, number: int) -> int:
    """Add the feature maps of validation image `number` to the run folder `path`.

    Exit code 0, or 2 with a line on stderr that says why there are none.
    """
    try:
        folder = RunFolder.open(path)
        with _lock(folder):
            message, done = _add(folder, number)
        if not done:
            raise RequestError(message)
    except RequestError as error:
        print(f"cvtui: {error.message}{f' ({error.hint})' if error.hint else ''}", file=sys.stderr, flush=True)
        return 2
    return 0


def _lock(folder: RunFolder) -> WorkerLock:
    try:
        return take(folder.path / LOCK, TIMEOUT_SECONDS)
    except Busy:
        raise RequestError("another look at this run takes too long") from None
    except OSError as error:
        raise RequestError(f"can't write into {str(folder.path)!r}: {error.strerror}") from None


def _add(folder: RunFolder, number: int) -> tuple[str, bool]:
    history = History(folder)
    history.poll()
    if folder.alive():
        raise RequestError("this run is training: it takes the command `look` itself")
    if history.run is not None and history.run.kind == "watch":
        raise RequestError("a run of cvtui.watch has its images only while its script runs")
    training, _ = prepare_run(check(recipe_of(folder, "looked at")), folder)
    newest = newest_checkpoint(folder)
    if newest is None:
        raise RequestError("this run has no checkpoint to look with")
    restore(training, newest.state, folder.path)
    torch.set_num_threads(1)  # one image; the cores belong to whatever trains meanwhile
    with EventWriter(folder) as writer:
        snapshots = Snapshots(training, folder, writer)
        message = snapshots.look(number)
    return message, snapshots.maps.written
