"""A reader's memory does not grow with the number of epochs."""

from __future__ import annotations

from pathlib import Path

from cvtui.runlog.events import EpochDone
from cvtui.runlog.history import History
from cvtui.runlog.thinning import MOST_CONFUSIONS, NEWEST_CONFUSIONS
from cvtui.runlog.writer import EventWriter
from tests.runlog.making import make_folder, started


def epoch(number: int, best: bool = False) -> EpochDone:
    return EpochDone(
        epoch=number, step=20 * number, time=1.0, train_loss=1.0, train_accuracy=0.5, val_loss=1.1, val_accuracy=0.5,
        seconds=1.0, images_per_second=1.0, confusion=[[number, 0], [0, 1]], best=best,
    )  # fmt: skip


def test_epochs_that_a_resume_takes_back_do_not_count(tmp_path: Path) -> None:
    folder = make_folder(tmp_path)
    with EventWriter(folder) as writer:
        writer.write(started())
        for first in (1, 11, 11):  # after the first ten, the others are done three times over
            for number in range(first, MOST_CONFUSIONS - 10):
                writer.write(epoch(number))
    history = History(folder)
    history.poll()
    assert len(history.epochs) == MOST_CONFUSIONS - 11
    assert all(epoch.confusion for epoch in history.epochs)


def test_of_very_many_epochs_some_keep_their_confusion(tmp_path: Path) -> None:
    folder = make_folder(tmp_path)
    with EventWriter(folder) as writer:
        writer.write(started())
        for number in range(1, 2001):
            writer.write(epoch(number, best=number in (3, 700)))
    history = History(folder)
    history.poll()
    assert len(history.epochs) == 2000
    held = [epoch.epoch for epoch in history.epochs if epoch.confusion]
    assert len(held) <= MOST_CONFUSIONS + 1
    assert held[-NEWEST_CONFUSIONS:] == list(range(2001 - NEWEST_CONFUSIONS, 2001))
    assert {3, 700} <= set(held)
    assert all(epoch.val_accuracy == 0.5 for epoch in history.epochs)
