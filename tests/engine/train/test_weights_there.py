"""Weights that are told are weights that are there.

On a disk that refuses one save (a real file system that is full just then), and in a process that is killed at any
rename of a save.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from cvtui import door
from cvtui.engine.train import checkpoint
from cvtui.engine.train.control import Signals
from cvtui.engine.train.evaluate import evaluate
from cvtui.engine.worker import train_folder
from cvtui.runlog.events import CheckpointSaved, Command, CommandApplied, EpochDone, RunEnded
from cvtui.runlog.folder import RunFolder
from cvtui.runlog.history import History
from cvtui.runlog.run_summary import summary
from tests.cli.running import cvtui, within
from tests.engine.making import folder, history, records, train, training

RECIPE: dict[str, Any] = {"epochs": 6, "watch_every": 0, "lr": 0.1, "schedule": "constant", "seed": 1}
"""Validation accuracies 0.864, 0.908, 0.925, 0.953, 0.942, 0.944: the best is followed by two that are worse."""
Fill = Callable[[], None]


def mounted(place: Path, size: str) -> Iterator[Path]:
    place.mkdir(exist_ok=True)
    words = ["mount", "-t", "tmpfs", "-o", f"size={size}", "none", str(place)]
    if shutil.which("mount") is None or subprocess.run(words, capture_output=True, check=False).returncode:
        pytest.skip("file systems can't be mounted here")
    yield place
    subprocess.run(["umount", "-l", str(place)], check=True)


@contextlib.contextmanager
def full(place: Path) -> Iterator[None]:
    """No room on the file system of `place`."""
    filler = place / "filler"
    with open(filler, "wb", buffering=0) as file, contextlib.suppress(OSError):
        while True:
            file.write(b"x" * 512)
    try:
        yield
    finally:
        filler.unlink()


def refuse(monkeypatch: pytest.MonkeyPatch, run: RunFolder, when: Callable[[dict[str, Any]], bool]) -> None:
    """Fill the disk under checkpoints/ while a state of `when` is being saved."""
    save = checkpoint.save

    def saving(state: dict[str, Any], path: Path) -> None:
        with full(run.checkpoints) if when(state) else contextlib.nullcontext():
            save(state, path)

    monkeypatch.setattr(checkpoint, "save", saving)


@pytest.fixture
def run(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[RunFolder]:
    """Make a run folder whose checkpoints/ is a file system of its own."""
    made = folder(tmp_path, **{**RECIPE, **getattr(request, "param", {})})
    for _ in mounted(made.checkpoints, "1m"):
        yield made


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> RunFolder:
    """Train the same recipe, undisturbed."""
    made = folder(tmp_path_factory.mktemp("whole"), **RECIPE)
    assert train(made) == (0, "", "")
    return made


def judged(path: Path) -> float:
    """Measure the validation accuracy of the weights in a checkpoint anew."""
    t = training(**RECIPE)
    t.model.load_state_dict(torch.load(path, weights_only=True)["model"])
    return evaluate(t, between=lambda: None).accuracy


def epochs(run: RunFolder) -> list[EpochDone]:
    return [record for record in records(run) if isinstance(record, EpochDone)]


def assert_told_is_there(run: RunFolder) -> None:
    """Assert that a file holds what the log said last of it."""
    told = {record.path: record for record in records(run) if isinstance(record, CheckpointSaved)}
    for path, record in told.items():
        if (run.path / path).exists():
            assert checkpoint.load(run.path / path)["step"] == record.step, path


@pytest.mark.parametrize("run", [{"keep": "last,best"}, {"keep": "best"}], indirect=True, ids=["last,best", "best"])
@pytest.mark.parametrize("which", ["best", "last"])
def test_best_is_the_best_of_what_was_saved(
    run: RunFolder, whole: RunFolder, which: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    accuracies = {epoch.epoch: epoch.val_accuracy or 0.0 for epoch in epochs(whole)}
    lost = max(accuracies, key=lambda epoch: (accuracies[epoch], -epoch)) if which == "best" else 6
    refuse(monkeypatch, run, lambda state: bool(state["epoch"] == lost))
    code, _, err = train(run)
    assert {epoch.epoch: epoch.val_accuracy for epoch in epochs(run)} == accuracies, "the training went on as it was"
    left = max(accuracy for epoch, accuracy in accuracies.items() if epoch != lost)
    assert judged(run.checkpoints / "best.pt") == left
    assert_told_is_there(run)
    assert (run.checkpoints / "last.pt").exists(), "nothing is thinned while a name is behind"
    end = records(run)[-1]
    assert isinstance(end, RunEnded)
    best = max(accuracies.values())
    if left < best:
        assert f"the best, epoch {lost} ({best:.2%}), is not on the disk" in end.missing
    assert ("the last checkpoint could not be written: No space left on device" in end.missing) == (lost == 6)
    assert code == (1 if end.missing else 0)
    assert end.missing in err
    assert end.missing in end.reason
    assert summary(run).trouble == end.missing


@pytest.mark.parametrize("run", [{"keep": "every=2"}], indirect=True)
def test_an_epoch_that_was_to_be_kept_and_is_not_there_is_told_at_the_end(
    run: RunFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    refuse(monkeypatch, run, lambda state: bool(state["epoch"] == 4))
    assert train(run)[0] == 1
    end = history(run).end
    assert end is not None
    assert end.missing == "epoch-0004.pt could not be written"
    assert sorted(path.name for path in run.checkpoints.glob("*.pt")) == [
        "epoch-0002.pt", "epoch-0006.pt", "last-1.pt", "last.pt",
    ]  # fmt: skip
    assert_told_is_there(run)


def test_a_save_that_was_asked_for_and_failed_is_not_told_as_saved(
    run: RunFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    run.send(Command(command="save", time=0.0))  # obeyed before the first step
    refuse(monkeypatch, run, lambda state: bool(state["step"] == 0))
    assert train(run)[0] == 1
    (command,) = [record for record in records(run) if isinstance(record, CommandApplied)]
    assert command.words == "not saved: No space left on device"
    assert_told_is_there(run)
    end = history(run).end
    assert end is not None
    assert end.missing == "step-000000.pt could not be written"


def test_a_resumed_run_knows_what_its_best_file_holds(
    run: RunFolder, whole: RunFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The best epoch's save fails and the run is stopped: after the resume the next best takes its place."""
    accuracies = {epoch.epoch: epoch.val_accuracy or 0.0 for epoch in epochs(whole)}
    best = max(accuracies, key=lambda epoch: (accuracies[epoch], -epoch))
    if best == 6:
        pytest.skip("nothing comes after the best epoch")
    refuse(monkeypatch, run, lambda state: bool(state["epoch"] == best and state["place"] == 0))
    signals = Signals()
    stop_after(monkeypatch, best, signals)
    train_folder(run.path, signals)
    monkeypatch.undo()
    assert train(run, resume=True)[0] == 1
    left = max(accuracy for epoch, accuracy in accuracies.items() if epoch != best)
    assert judged(run.checkpoints / "best.pt") == left
    end = history(run).end
    assert end is not None
    assert f"the best, epoch {best}" in end.missing


def stop_after(monkeypatch: pytest.MonkeyPatch, epoch: int, signals: Signals) -> None:
    """SIGTERM in the first step after an epoch."""
    from cvtui.engine.observe.recorder import StepRecorder

    step = StepRecorder.step

    def stepping(self: StepRecorder, *args: Any, **more: Any) -> None:
        step(self, *args, **more)
        if self.training.step == epoch * 12 + 1:
            signals.number = signal.SIGTERM

    monkeypatch.setattr(StepRecorder, "step", stepping)


# ---------------------------------------------------------------- kills


def killed_at(run: RunFolder, count: int) -> bool:
    """Train in a process that SIGKILLs itself before the `count`-th rename under checkpoints/.

    Counted from 1; False where it ended before.
    """
    pid = os.fork()
    if not pid:
        rename, left = door.replace, [count]

        def renaming(source: Any, target: Any) -> None:
            left[0] -= Path(target).parent == run.checkpoints
            if not left[0]:
                os.kill(os.getpid(), signal.SIGKILL)
            rename(source, target)

        door.replace = renaming
        try:
            train_folder(run.path, Signals())
        finally:
            os._exit(0)
    return os.WIFSIGNALED(os.waitpid(pid, 0)[1])


RENAMES = 17
"""At most, in a run of six epochs: last-1, best and last of each, but for the first last-1."""


@pytest.mark.parametrize(
    "count", [pytest.param(n, marks=[] if n in (4, 5) else pytest.mark.long) for n in range(1, RENAMES + 1)]
)
@pytest.mark.parametrize("keep", ["last,best", pytest.param("best", marks=pytest.mark.long)])
def test_killed_at_any_rename_the_best_and_the_last_are_those_of_an_undisturbed_run(
    tmp_path: Path, whole: RunFolder, keep: str, count: int
) -> None:
    run = folder(tmp_path, **RECIPE, keep=keep)
    if not killed_at(run, count):
        pytest.skip("there are fewer renames")
    told = [r for r in records(run) if isinstance(r, CheckpointSaved) and r.reason == "best"]
    if told:
        assert checkpoint.load(run.checkpoints / "best.pt")["epoch"] >= told[-1].epoch
    assert train(run, resume=True) == (0, "", "")
    for name in ("best.pt", "last.pt") if "last" in keep else ("best.pt",):
        ours, theirs = (checkpoint.load(r.checkpoints / name) for r in (run, whole))
        assert ours["step"] == theirs["step"], name
        assert all(torch.equal(ours["model"][key], theirs["model"][key]) for key in theirs["model"]), name
    assert [epoch.best for epoch in history(run).epochs] == [epoch.best for epoch in epochs(whole)]


def test_a_best_file_that_is_behind_is_caught_up_by_a_resume(tmp_path: Path, whole: RunFolder) -> None:
    """As an older version, or a copy of the folder, may leave it: last.pt is of the best epoch, best.pt is not."""
    run = folder(tmp_path, **RECIPE)
    assert killed_at(run, 6), "after the second epoch's save, before the third's"
    state = checkpoint.load(run.checkpoints / "last.pt")
    assert state["best_epoch"] == state["epoch"]
    (run.checkpoints / "best.pt").unlink()
    shutil.copy(run.checkpoints / "last-1.pt", run.checkpoints / "best.pt")
    assert train(run, resume=True) == (0, "", "")
    ours, theirs = (checkpoint.load(r.checkpoints / "best.pt") for r in (run, whole))
    assert ours["step"] == theirs["step"]


# ---------------------------------------------------------------- full to the end


@pytest.mark.usefixtures("forks")
def test_a_disk_that_is_full_to_the_end_is_exit_code_1_and_said_everywhere(tmp_path: Path) -> None:
    """A file system of 1.3 MB for the whole run folder, from the command line."""
    for disk in mounted(tmp_path / "disk", "1300k"):
        large = ("--net", "fc128-relu-fc128-relu-fc", "--epochs", "12", "--threads", "1", "--watch-every", "1")
        found = cvtui("--no-ui", *large, "--runs", str(disk), "--name", "full", "--keep", "every=1", cwd=tmp_path)
        assert found.returncode == 1, found
        assert "No space left on device" in found.stderr
        assert "Traceback" not in found.stderr
        run = RunFolder(disk / "full")
        seen = History(run)
        seen.poll()
        if seen.end is None:
            assert "its log could not be written to its end: No space left on device" in seen.trouble
            assert seen.trouble in found.stderr
        listed = within("runs", "--runs", str(disk), cwd=tmp_path)
        assert "▲ full: " in listed.stdout
        assert "No space left on device" in listed.stdout
