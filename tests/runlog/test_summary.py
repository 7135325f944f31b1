"""The run in one line: the same as its whole history says, and cheap to keep up to date."""

from __future__ import annotations

from pathlib import Path

from cvtui.runlog.events import CommandApplied
from cvtui.runlog.history import History
from cvtui.runlog.run_summary import summary
from cvtui.runlog.writer import EventWriter
from tests.runlog.making import epoch_done, make_folder, started, write_run, write_steps


def test_a_finished_run(tmp_path: Path) -> None:
    folder = make_folder(tmp_path)
    write_run(folder)
    found, history = summary(folder), History(folder)
    history.poll()
    assert found.name == "run"
    assert found.state == history.state() == "finished"
    assert found.epochs == found.epochs_asked == 3
    assert found.steps == found.steps_asked == history.steps_done == 60
    assert found.best_val_accuracy == 0.9
    assert found.val_loss == history.epochs[-1].val_loss
    assert (found.data, found.net) == ("digits", "fc")
    assert found.started == 1000.0
    assert found.seconds == 0.6


def test_a_run_that_has_only_been_asked_for(tmp_path: Path) -> None:
    found = summary(make_folder(tmp_path))
    assert found.state == "starting"
    assert (found.data, found.net, found.epochs_asked) == ("digits", "fc", 3)
    assert found.best_val_accuracy is found.val_loss is found.started is None
    assert found.steps == found.epochs == 0


def test_it_follows_a_living_run(tmp_path: Path) -> None:
    folder = make_folder(tmp_path)
    with folder.lock(), EventWriter(folder) as writer:
        writer.write(started())
        write_steps(writer, 0, 25)
        writer.write(epoch_done(1, 20, None))
        assert (summary(folder).state, summary(folder).steps, summary(folder).best_val_accuracy) == (
            "running",
            25,
            None,
        )
        write_steps(writer, 25, 33)
        writer.write(CommandApplied(step=33, time=1.0, command="pause"))
        found = summary(folder)
        assert (found.state, found.steps, found.seconds) == ("paused", 33, 0.32)
        writer.write(started(time=9.0))
        writer.write(epoch_done(1, 20, 0.25))
    found = summary(folder)
    assert (found.state, found.epochs, found.best_val_accuracy, found.started) == ("lost", 1, 0.25, 1000.0)


def test_a_folder_without_a_readable_recipe(tmp_path: Path) -> None:
    folder = make_folder(tmp_path)
    folder.recipe.write_bytes(b"\xff = [")
    assert summary(folder).recipe == {}
