"""Ends that a recipe asks for: early stopping and a limit of time, with what a resume and a fork make of them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from cvtui.cli.output.progress import RunReport
from cvtui.engine.observe.clock import Clock
from cvtui.engine.train.control import Signals
from cvtui.engine.worker import train_folder
from cvtui.errors import RequestError
from cvtui.recipe.ending import is_stale, seconds_of
from cvtui.recipe.fields import FIELDS
from cvtui.recipe.toml import dumps
from cvtui.recipe.validation import check
from cvtui.runlog.folder import RunFolder
from cvtui.runlog.fork import fork, pick
from cvtui.runlog.history import History
from cvtui.tui.panes.header import _first
from cvtui.tui.panes.view_state import ViewState
from tests.cli.running import within
from tests.engine.making import folder, history, recipe, train
from tests.engine.stopping import edit, stop_after

STANDS: dict[str, Any] = {"limit": 256, "optimizer": "sgd", "lr": 1e-12, "weight_decay": 0.0, "epochs": 9}
"""The weights keep their bits nearly, so the first epoch stays the best."""


@pytest.mark.parametrize(
    ("text", "seconds"), [("90s", 90), ("30m", 1800), ("2h", 7200), ("1h30m", 5400), ("1h1m1s", 3661)]
)
def test_times_are_read(text: str, seconds: float) -> None:
    assert FIELDS["max_time"].convert(text) == text
    assert seconds_of(text) == seconds


@pytest.mark.parametrize("text", ["0s", "1.5h", "90", "2 h", "30m1h", "h"])
def test_another_time_is_one_clear_line(text: str) -> None:
    with pytest.raises(RequestError, match=r"^--max-time: .* allowed: a time such as 90s, 30m, 2h or 1h30m"):
        FIELDS["max_time"].convert(text)


def ended(run: RunFolder) -> tuple[History, str, str]:
    found = history(run)
    assert found.end is not None
    return found, found.end.status, found.end.reason


def test_a_run_that_does_not_become_better_ends_after_its_patience(tmp_path: Path) -> None:
    run = folder(tmp_path / "runs", "still", **STANDS, patience=3)
    assert train(run)[0] == 0
    found, status, reason = ended(run)
    assert [done.best for done in found.epochs] == [True, False, False, False]
    best = found.epochs[0].val_accuracy or 0.0
    words = f"early stopping: no better validation accuracy for 3 epochs (best {best * 100:.2f} % in epoch 1)"
    assert (status, reason) == ("finished", words)
    names = [picture.name for picture in found.pictures]
    assert names.count("samples") == 1, "a run too short for pictures at its first epoch's end has them at its own"
    assert "validation image" in names
    assert "early stopping: no better" in _first(found, ViewState(state="finished"), 160).plain
    again = within("resume", "still", "--no-ui", cwd=tmp_path)
    assert again.returncode == 2
    assert again.stderr.startswith("cvtui: 'still' has finished by early stopping: no better")
    assert "a larger patience in" in again.stderr
    assert ended(run)[1] == "finished", "a refusal is not written into the log"
    edit(run, patience=5)
    assert train(run, resume=True)[0] == 0
    found, status, reason = ended(run)
    assert (len(found.epochs), status) == (6, "finished")
    assert "for 5 epochs" in reason


def test_a_resume_counts_on_and_a_fork_counts_from_its_own_first_epoch(tmp_path: Path) -> None:
    how = {**STANDS, "batch_size": 128, "patience": 4}
    whole, halved = folder(tmp_path, "whole", **how), folder(tmp_path, "halved", **how)
    assert train(whole)[0] == 0
    stop_after(halved, 9)
    assert train(halved, resume=True)[0] == 0
    assert ended(whole)[1:] == ended(halved)[1:]
    assert len(history(halved).epochs) == 5
    child = fork(whole, pick(history(whole)), tmp_path, "child", dumps(recipe(**{**how, "epochs": 20})))
    assert train(child)[0] == 0
    assert [done.epoch for done in history(child).epochs] == [6, 7, 8, 9, 10]


@pytest.mark.parametrize(
    ("patience", "epoch", "best", "stale"),
    [(0, 9, 1, False), (3, 3, 1, False), (3, 4, 1, True), (1, 2, 1, True), (1, 2, 2, False), (1, 9, 0, False)],
)
def test_patience_counts_epochs_since_the_best(patience: int, epoch: int, best: int, stale: bool) -> None:
    assert is_stale(patience, epoch, best) is stale


def test_a_run_that_gets_better_or_comes_to_its_end_says_nothing(tmp_path: Path) -> None:
    run = folder(tmp_path, limit=256, epochs=2, patience=1)
    assert train(run)[0] == 0
    assert ended(run)[1:] == ("finished", "")


def test_time_that_is_up_stops_the_run_with_a_checkpoint_and_a_resume_has_it_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By a clock that adds 10 s each time it is read: the loop reads it in every step."""
    how: dict[str, Any] = {"limit": 512, "batch_size": 64, "epochs": 3}
    whole = folder(tmp_path, "whole", **how)
    assert train(whole)[0] == 0
    run = folder(tmp_path, "run", **how, max_time="5m")

    class Fast(Clock):
        reads = 0

        def seconds(self) -> float:
            Fast.reads += 1
            return Fast.reads * 10.0

    with monkeypatch.context() as patch:
        patch.setattr("cvtui.engine.worker.Clock", Fast)
        patch.setattr("cvtui.engine.train.resume.Clock", lambda _seconds: Fast())
        assert train_folder(run.path, Signals()) == 0
        found, status, reason = ended(run)
        assert (status, reason) == ("stopped", "max time (5m)")
        first = found.steps_done
        assert 0 < first < 24
        assert any(saved.reason == "stop" and saved.step == first for saved in found.checkpoints)
        assert train_folder(run.path, Signals(), resume=True) == 0
        second = history(run).steps_done
        assert ended(run)[1:] == ("stopped", "max time (5m)")
        assert second - first > first / 2, "it has the whole time once more"
    edit(run, max_time="")
    assert train(run, resume=True)[0] == 0
    found, status, reason = ended(run)
    assert (status, reason) == ("finished", "")
    assert found.steps.loss.tobytes() == history(whole).steps.loss.tobytes()


def test_the_line_at_the_end_says_why(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = folder(tmp_path, **{**STANDS, "patience": 1})
    assert train(run)[0] == 0
    RunReport(run, check(recipe(**STANDS)), quiet=True, as_json=False).end(history(run), 0, 0, [])
    assert capsys.readouterr().out.startswith("finished: early stopping: no better validation accuracy for 1 epoch (")
