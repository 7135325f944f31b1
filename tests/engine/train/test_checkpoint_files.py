"""Checkpoints that a run writes, by epoch and by time, and those that stay."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from cvtui.engine.train import checkpoint
from cvtui.engine.train.checkpoint_files import SHORT_SECONDS, seconds_of
from cvtui.engine.train.resume import newest_checkpoint
from cvtui.runlog.events import CheckpointSaved, Command
from cvtui.runlog.folder import RunFolder
from cvtui.runlog.history import History
from tests.engine.making import SMALL, finish, folder, records, start, train
from tests.waiting import wait_until

pytestmark = pytest.mark.long  # real processes, two minutes: `pytest -m long`


def names(run: RunFolder) -> list[str]:
    return sorted(path.name for path in run.checkpoints.iterdir())


@pytest.mark.parametrize(("text", "seconds"), [("30s", 30), ("5m", 300), ("2h", 7200), ("", float("inf"))])
def test_times(text: str, seconds: float) -> None:
    assert seconds_of(text) == seconds


def test_checkpoints_by_time_hold_the_place_within_the_epoch(tmp_path: Path) -> None:
    """An epoch of some seconds: without `save_every` nothing would be saved before its end."""
    run = folder(tmp_path, net="[conv128-relu]*3-fc", batch_size=1, epochs=2, save_every="1s")
    process = start(run)
    history = History(run)
    try:
        wait_until(lambda: history.poll() and len(history.checkpoints) >= 2, 60, "two checkpoints")
        assert not history.epochs
    finally:
        process.kill()
        process.communicate()
    state = checkpoint.load(run.checkpoints / "last.pt")
    first, second = history.checkpoints[:2]
    assert 0.8 < history.steps.seconds[second.step - 1] - history.steps.seconds[first.step - 1] < 5
    assert state["epoch"] == 0
    assert state["place"] == state["step"] > 0
    assert newest_checkpoint(run) is not None


@pytest.mark.parametrize(
    ("keep", "stay"),
    [
        pytest.param("last", ["last-1.pt", "last.pt"], marks=pytest.mark.long),
        ("best", ["best.pt"]),
        pytest.param("every=2", ["epoch-0002.pt", "epoch-0004.pt"], marks=pytest.mark.long),
        ("every=10", ["last-1.pt", "last.pt"]),  # the rule would leave nothing
        pytest.param("last,every=3", ["epoch-0003.pt", "last-1.pt", "last.pt"], marks=pytest.mark.long),
    ],
)
def test_what_stays_of_a_finished_run(tmp_path: Path, keep: str, stay: list[str]) -> None:
    run = folder(tmp_path, net="fc", epochs=4, batch_size=512, keep=keep, watch_every=0)
    assert train(run)[0] == 0
    assert names(run) == stay
    assert all(checkpoint.is_whole(run.checkpoints / name) for name in stay)


@pytest.mark.parametrize("keep", ["best", pytest.param("every=1000", marks=pytest.mark.long)])
def test_a_killed_run_can_go_on_whatever_the_rule(tmp_path: Path, keep: str) -> None:
    run = folder(tmp_path, net=SMALL, epochs=100_000, keep=keep)
    process = start(run)
    history = History(run)
    wait_until(lambda: history.poll() and history.epochs and history.epochs[-1].seconds > 5, 60, "some seconds")
    process.kill()
    process.communicate()
    found = newest_checkpoint(run)
    assert found is not None
    while history.poll():
        pass
    seconds = history.steps.seconds
    lost = seconds[-1] - seconds[found.state["step"] - 1]
    assert lost < SHORT_SECONDS + 2, "two seconds of short epochs, a step, and what a busy machine takes"


def test_thinning_spares_the_only_whole_one(tmp_path: Path) -> None:
    for name in ("last.pt", "last-1.pt"):
        checkpoint.save({"model": {}, "step": 1}, tmp_path / name)
    (tmp_path / "best.pt").write_bytes(b"damaged")
    assert checkpoint.KeepRule("best").thin(tmp_path) == []
    checkpoint.save({"model": {}, "step": 2}, tmp_path / "best.pt")
    assert checkpoint.KeepRule("best").thin(tmp_path) == ["last.pt", "last-1.pt"]
    assert [path.name for path in tmp_path.iterdir()] == ["best.pt"]


def test_a_checkpoint_that_was_asked_for_is_the_newest(tmp_path: Path) -> None:
    run = folder(tmp_path, epochs=100_000, save_every="")
    process = start(run)
    history = History(run)
    try:
        wait_until(lambda: history.poll() and len(history.epochs) > 1, what="a last.pt and the one before it")
        run.send(Command(command="save", time=0.0))
        wait_until(
            lambda: history.poll() and any(saved.reason == "asked" for saved in history.checkpoints), what="the save"
        )
    finally:
        process.kill()
        process.communicate()
    asked = next(record for record in records(run) if isinstance(record, CheckpointSaved) and record.reason == "asked")
    found = newest_checkpoint(run)
    assert found is not None
    assert found.state["step"] >= asked.step
    for name in ("last.pt", "last-1.pt"):
        (run.checkpoints / name).unlink()  # a second name of the same file otherwise
        (run.checkpoints / name).write_bytes(b"damaged")
    found = newest_checkpoint(run)
    assert found is not None
    assert len(found.warnings) == 2
    assert found.state["step"] >= asked.step, "the latest of the others"


# ---------------------------------------------------------------- more than one at once


def test_two_engines_on_one_folder_one_trains_and_the_other_refuses(tmp_path: Path) -> None:
    run = folder(tmp_path, epochs=60)
    both = [start(run), start(run)]
    found = sorted(finish(process) for process in both)
    assert [code for code, _, _ in found] == [0, 2]
    assert "another process trains" in found[1][2] or "trained already" in found[1][2]
    history = History(run)
    history.poll()
    assert history.state() == "finished"
    assert history.skipped == 0
    assert history.steps_done == 12 * 60


def test_ten_runs_at_once_finish_each_right(tmp_path: Path) -> None:
    """Five recipes, two runs of each: pairs are equal to the last bit, others differ."""
    runs = [folder(tmp_path, f"run {number}", seed=number // 2) for number in range(10)]
    processes: list[subprocess.Popen[bytes]] = [start(run) for run in runs]
    assert [finish(process, 180)[0] for process in processes] == [0] * 10
    losses = []
    for run in runs:
        history = History(run)
        history.poll()
        assert history.state() == "finished"
        assert len(history.steps) == 24
        losses.append(tuple(history.steps.loss))
    assert losses[::2] == losses[1::2]
    assert len(set(losses)) == 5
