"""A run that was killed and resumed equals one that was never interrupted, to the last bit."""

from __future__ import annotations

import shutil
import signal
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from cvtui.engine.train import checkpoint
from cvtui.engine.train.control import Signals
from cvtui.engine.train.preparation import prepare
from cvtui.engine.train.resume import newest_checkpoint, restore
from cvtui.engine.train.state import TrainingState
from cvtui.engine.worker import train_folder
from cvtui.errors import RequestError
from cvtui.recipe.recipe import Recipe
from cvtui.recipe.toml import dumps
from cvtui.recipe.validation import check
from cvtui.runlog.folder import RunFolder
from cvtui.runlog.history import History
from cvtui.runlog.worker_process import launch
from tests.cli.running import within
from tests.waiting import wait_until

RECIPE = Recipe(
    net="conv8-bn-relu-drop0.3-pool-fc", optimizer="adamw", warmup="10", epochs=3, batch_size=16, threads=1,
    augment="shift(1), rotate(10), jitter(0.2)", label_noise=0.1, ema=0.95, clip=1.0,
)  # fmt: skip
"""All that draws random numbers or remembers anything: dropout, augmentation, running means, moments."""


def history_of(folder: RunFolder) -> History:
    history = History(folder)
    history.poll()
    return history


def signalled(folder: RunFolder, steps: int, number: signal.Signals, *, resume: bool = False) -> int:
    """Start the worker and send the signal once the log has so many steps; return its exit code.

    On a busy machine the run may be over before its steps are looked at: then it is trained anew.
    """

    def once() -> int:
        worker, history = launch(folder, detached=False, resume=resume), History(folder)
        wait_until(
            lambda: (history.poll() and history.steps_done >= steps) or worker.poll() is not None, 60, f"{steps} steps"
        )
        worker.send_signal(number)
        return worker.wait(60)

    before = folder.path.with_name("before")
    shutil.copytree(folder.path, before)
    for _ in range(5):
        if code := once():
            break
        shutil.rmtree(folder.path)
        shutil.copytree(before, folder.path)
    shutil.rmtree(before)
    return code


def kill_after(folder: RunFolder, steps: int, *, resume: bool = False) -> None:
    assert signalled(folder, steps, signal.SIGKILL, resume=resume) == -signal.SIGKILL, "it was to be killed on its way"


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> RunFolder:
    """Train without an interruption, in this process: another process gives the same bits."""
    folder = RunFolder.create(tmp_path_factory.mktemp("whole"), "whole", dumps(RECIPE))
    assert train_folder(folder.path, Signals()) == 0, folder.log.read_text()[-2000:]
    return folder


def assert_equal_runs(one: RunFolder, other: RunFolder) -> None:
    a, b = history_of(one), history_of(other)
    np.testing.assert_array_equal(a.steps.loss, b.steps.loss)
    np.testing.assert_array_equal(a.steps.lr, b.steps.lr)
    assert [e.train_loss for e in a.epochs] == [e.train_loss for e in b.epochs]
    assert [(e.val_loss, e.val_accuracy, e.best) for e in a.epochs] == [
        (e.val_loss, e.val_accuracy, e.best) for e in b.epochs
    ]
    weights = [torch.load(f.checkpoints / "last.pt", weights_only=True)["model"] for f in (one, other)]
    for name, tensor in weights[0].items():
        assert torch.equal(tensor, weights[1][name]), name


LONG = pytest.mark.long


@pytest.mark.parametrize(
    "kills", [(113,), pytest.param((5,), marks=LONG), pytest.param((113, 250), marks=LONG)], ids=str
)
@pytest.mark.usefixtures("forks")
def test_killed_and_resumed_equals_uninterrupted(tmp_path: Path, whole: RunFolder, kills: tuple[int, ...]) -> None:
    folder = RunFolder.create(tmp_path, "killed", dumps(RECIPE))
    for number, steps in enumerate(kills):
        kill_after(folder, steps, resume=number > 0)
        assert history_of(folder).state() == "lost"
    assert train_folder(folder.path, Signals(), resume=True) == 0, folder.log.read_text()[-2000:]
    assert_equal_runs(whole, folder)
    history = history_of(folder)
    assert history.state() == "finished"
    assert history.run is not None
    assert len(history.steps) == history.run.total_steps
    assert history.skipped == 0


@pytest.mark.usefixtures("forks")
def test_stopped_in_mid_epoch_goes_on_within_the_epoch(tmp_path: Path, whole: RunFolder) -> None:
    folder = RunFolder.create(tmp_path, "stopped", dumps(RECIPE))
    assert signalled(folder, 101, signal.SIGTERM) == 143
    state = checkpoint.load(folder.checkpoints / "last.pt")
    history = history_of(folder)
    assert history.end is not None
    assert state["step"] == history.steps_done == history.end.step
    assert train_folder(folder.path, Signals(), resume=True) == 0, folder.log.read_text()[-2000:]
    assert_equal_runs(whole, folder)


# ---------------------------------------------------------------- what a checkpoint must hold


def moved(training: TrainingState, steps: int) -> list[float]:
    """Return the losses of the next steps, as the trainer takes them."""
    from cvtui.engine.data.batching import batches

    training.model.train()
    losses: list[float] = []
    while len(losses) < steps:
        images = batches(
            training.data.train,
            training.recipe.batch_size,
            training.recipe.seed,
            training.epoch + 1,
            training.batch_index,
        )
        for batch in images:
            pixels, labels = training.augmented(batch, training.step)
            training.update_lr()
            loss = training.loss(training.model(training.preprocess(pixels)), labels)
            training.optimizer.zero_grad(set_to_none=True)
            loss.backward()
            training.optimizer.step()
            assert training.ema is not None
            training.ema.update(training.step)
            training.step += 1
            training.batch_index += 1
            losses.append(loss.item())
            if len(losses) == steps:
                return losses
        training.epoch, training.batch_index = training.epoch + 1, 0
    return losses


def resumed_losses(state: dict[str, Any], forget: str = "") -> list[float]:
    """Return the losses of a fresh training put at `state`, but for one item, which stays fresh."""
    fresh = prepare(check(RECIPE))
    begin = fresh.state()
    mixed = dict(state)
    if forget:
        mixed[forget] = begin[forget]
    restore(fresh, mixed)
    return moved(fresh, 20)


def test_leaving_out_any_item_of_the_state_is_noticed() -> None:
    training = prepare(check(RECIPE))
    moved(training, 137)
    state = torch.load(_saved(training.state()), weights_only=True)
    going_on = moved(training, 20)
    assert resumed_losses(state) == going_on
    for item in ("model", "optimizer", "step", "epoch", "place", "random"):
        assert resumed_losses(state, forget=item) != going_on, item


def test_what_no_loss_shows_is_put_back_too() -> None:
    """The means of the epoch under way, the best so far, a rate set by hand, the time: each is missed when left out."""
    training = prepare(check(RECIPE))
    moved(training, 30)
    training.sums.loss, training.best = 12.5, 0.75
    training.schedule = training.schedule.moved_to(30, 0.5)
    state, begin = training.state(), prepare(check(RECIPE)).state()
    assert training.ema is not None
    training.ema.update(3)
    state = training.state()
    mean = next(iter(training.state()["ema"].values()))
    fresh = prepare(check(RECIPE))
    restore(fresh, state)
    assert torch.equal(next(iter(fresh.state()["ema"].values())), mean)
    for item in ("sums", "best", "schedule"):
        for forgotten in (False, True):
            fresh = prepare(check(RECIPE))
            restore(fresh, {**state, item: begin[item]} if forgotten else state)
            assert (fresh.state()[item] == state[item]) != forgotten, item


def _saved(state: dict[str, Any]) -> Any:
    import io

    buffer = io.BytesIO()
    torch.save(state, buffer)
    buffer.seek(0)
    return buffer


def test_a_rate_set_by_hand_is_kept(tmp_path: Path) -> None:
    training = prepare(check(RECIPE))
    training.schedule = training.schedule.moved_to(50, 0.123)
    checkpoint.save(training.state(), tmp_path / "x.pt")
    fresh = prepare(check(RECIPE))
    restore(fresh, checkpoint.load(tmp_path / "x.pt"))
    assert fresh.schedule.lr_at(50) == pytest.approx(0.123)


def test_another_number_of_threads_is_said() -> None:
    training = prepare(check(RECIPE))
    state = {**training.state(), "threads": 7}
    (told,) = restore(prepare(check(RECIPE)), state)
    assert "threads 7 → 1" in told


# ---------------------------------------------------------------- damage


@pytest.fixture
def saved(tmp_path: Path) -> RunFolder:
    """Make a folder with two checkpoints: `last.pt` of step 2, `last-1.pt` of step 1."""
    folder = RunFolder.create(tmp_path, "saved", dumps(RECIPE))
    training = prepare(check(RECIPE))
    for step, name in ((1, "last-1.pt"), (2, "last.pt")):
        training.step = step
        checkpoint.save(training.state(), folder.checkpoints / name)
    return folder


@pytest.mark.parametrize("kind", ["cut", "flipped", "empty", "text", "foreign"])
def test_a_damaged_checkpoint_is_noticed_and_the_one_before_used(saved: RunFolder, kind: str) -> None:
    path = saved.checkpoints / "last.pt"
    data = bytearray(path.read_bytes())
    if kind == "cut":
        path.write_bytes(data[: len(data) // 2])
    elif kind == "flipped":  # one bit inside a weight
        weight = next(iter(prepare(check(RECIPE)).model.state_dict().values()))
        place = data.find(weight.cpu().numpy().tobytes()[:16])
        assert place > 0
        data[place + 2] ^= 1
        path.write_bytes(data)
    elif kind == "foreign":
        torch.save({"model": {}}, path)
    else:
        path.write_bytes(b"" if kind == "empty" else b"hello")
    found = newest_checkpoint(saved)
    assert found is not None
    assert found.state["step"] == 1
    assert "last.pt is damaged" in found.warnings[0]


def test_the_checksum_of_an_older_format_is_that_of_tensors_in_order(tmp_path: Path) -> None:
    """The bytes of weights in channels_last are in another order; a flipped one is noticed in either."""
    tall = torch.randn(4, 3, 5, 5).to(memory_format=torch.channels_last)
    state = {"model": {"tall": tall, "every other": torch.arange(8)[::2], "none": torch.empty(0, 3)}, "step": 1}
    path = tmp_path / "x.pt"
    checkpoint.save(state, path)
    assert torch.equal(checkpoint.load(path)["model"]["tall"], tall)
    crc = zlib.crc32(b"/model/every other")
    crc = zlib.crc32(torch.arange(8)[::2].contiguous().numpy().tobytes(), crc)
    crc = zlib.crc32(tall.contiguous().numpy().tobytes(), zlib.crc32(b"/model/tall", zlib.crc32(b"/model/none", crc)))
    crc = zlib.crc32(b"1", zlib.crc32(b"/step", crc))
    for version, fits in (("1.0", True), ("1.1", False), ("2.0", False)):
        checkpoint.write_whole({**state, "checksum": crc, "format": version}, path)
        assert checkpoint.is_whole(path) is fits, version


def test_all_damaged_is_one_clear_line(saved: RunFolder) -> None:
    for path in saved.checkpoints.glob("*.pt"):
        path.write_bytes(b"hello")
    with pytest.raises(RequestError, match=r"all checkpoints of '.*' are damaged: last.pt, last-1.pt \(") as refused:
        newest_checkpoint(saved)
    assert refused.value.message.count("cut short") == 1
    assert "is used" not in refused.value.message  # nothing is


def test_checkpoints_beside_an_empty_log_are_not_written_over(
    saved: RunFolder, capfd: pytest.CaptureFixture[str]
) -> None:
    before = {path.name: path.read_bytes() for path in saved.checkpoints.iterdir()}
    saved.events.write_bytes(b"")
    assert train_folder(saved.path, Signals()) == 2
    assert "has checkpoints and no log" in capfd.readouterr().err
    assert {path.name: path.read_bytes() for path in saved.checkpoints.iterdir()} == before
    assert saved.events.read_bytes() == b""


def test_code_hidden_in_a_checkpoint_does_not_run(saved: RunFolder, tmp_path: Path) -> None:
    flag = tmp_path / "ran"

    class Evil:
        def __reduce__(self) -> Any:
            return (Path.touch, (flag,))

    torch.save({"model": Evil(), "checksum": 0, "format": "1.0"}, saved.checkpoints / "last.pt")
    found = newest_checkpoint(saved)
    assert found is not None
    assert found.state["step"] == 1
    assert not flag.exists()


def test_resume_of_a_finished_run_is_refused(whole: RunFolder) -> None:
    done = within("resume", str(whole.path), "--no-ui", cwd=whole.path)
    assert done.returncode == 2
    assert "has finished" in done.stderr
    assert "Traceback" not in done.stderr
