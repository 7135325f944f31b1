"""The engine as it is used: a real process on a real run folder."""

from __future__ import annotations

import itertools
import json
import math
import re
import resource
import signal
from pathlib import Path
from typing import Any

import msgspec
import pytest
import torch

from cvtui.engine.observe import watch_budget
from cvtui.engine.runtime import memory
from cvtui.engine.train.checkpoint import load as load_checkpoint
from cvtui.engine.train.evaluate import evaluate
from cvtui.engine.worker import end_message
from cvtui.recipe.memory_check import gib, memory_need
from cvtui.recipe.recipe import Recipe
from cvtui.recipe.validation import check
from cvtui.runlog.events import CheckpointSaved, EpochDone, LayersSampled, Log, RunEnded, RunStarted, Steps
from cvtui.runlog.folder import RunFolder
from cvtui.runlog.history import History
from tests.engine.making import finish, folder, history, recipe, records, start, train, training
from tests.waiting import wait_until


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> RunFolder:
    """Train a run of three epochs."""
    run = folder(tmp_path_factory.mktemp("runs"), epochs=3, net="conv8s2-relu-fc", keep="last,best,every=2")
    assert train(run) == (0, "", "")
    return run


def test_the_log_tells_the_whole_run_in_order(done: RunFolder) -> None:
    log = records(done)
    assert isinstance(log[0], RunStarted)
    assert isinstance(log[-1], RunEnded)
    assert (log[-1].status, log[-1].step) == ("finished", 36)
    steps = [record for record in log if isinstance(record, Steps)]
    assert [record.first for record in steps] == [
        0, *itertools.accumulate(len(record.loss) for record in steps[:-1])
    ]  # fmt: skip
    assert sum(len(record.loss) for record in steps) == 36
    for piece in steps:
        columns = (piece.loss, piece.lr, piece.accuracy, piece.grad_norm, piece.seconds)
        assert len({len(column) for column in columns}) == 1
    epochs = [record for record in log if isinstance(record, EpochDone)]
    assert [(record.epoch, record.step) for record in epochs] == [(1, 12), (2, 24), (3, 36)]
    for epoch in epochs:
        assert sum(map(sum, epoch.confusion)) == 360
        assert epoch.val_accuracy == sum(epoch.confusion[c][c] for c in range(10)) / 360
        assert epoch.images_per_second > 0
    assert epochs[-1].val_loss is not None
    assert epochs[0].val_loss is not None
    assert epochs[-1].val_loss < epochs[0].val_loss
    done_until = 0
    for record in log:
        if isinstance(record, Steps):
            done_until = record.first + len(record.loss)
        elif isinstance(record, EpochDone):
            assert done_until == record.step, "the steps are written before what follows them"


def test_steps_have_the_rate_of_the_schedule_and_epochs_the_mean_of_their_steps(done: RunFolder) -> None:
    found = history(done)
    schedule = check(recipe(epochs=3, net="conv8s2-relu-fc")).schedule
    assert found.steps.lr.tolist() == pytest.approx([schedule.lr_at(step) for step in range(36)], rel=1e-6)
    assert (found.steps.seconds[1:] >= found.steps.seconds[:-1]).all()
    sizes = [128] * 11 + [1437 - 11 * 128]
    for epoch in found.epochs:
        part = slice(epoch.step - 12, epoch.step)
        mean = sum(n * loss for n, loss in zip(sizes, found.steps.loss[part], strict=True)) / 1437
        right = sum(n * share for n, share in zip(sizes, found.steps.accuracy[part], strict=True)) / 1437
        assert epoch.train_loss == pytest.approx(mean, rel=1e-5)
        assert epoch.train_accuracy == pytest.approx(right, rel=1e-5)


def test_the_first_record_says_what_was_trained_and_what_was_foretold(done: RunFolder) -> None:
    run = records(done)[0]
    assert isinstance(run, RunStarted)
    assert (
        msgspec.convert(run.recipe, Recipe)
        == check(recipe(epochs=3, net="conv8s2-relu-fc", keep="last,best,every=2")).recipe
    )
    assert [layer.name for layer in run.layers] == ["conv1", "relu1", "fc1"]
    assert run.layers[0].watched
    assert (run.device, run.threads, run.steps_per_epoch, run.total_steps) == ("cpu", 1, 12, 36)
    assert run.libraries["torch"] == torch.__version__
    assert run.libraries.keys() == {"python", "torch", "torchvision", "cvtui"}
    assert (run.data["train"], run.data["validation"], run.data["input"]) == (1437, 360, [8, 8, 1])
    assert len(run.data["mean"]) == len(run.data["std"]) == 1
    assert 0 < run.data["mean"][0] < 255
    assert run.prediction["first_loss"] == math.log(10)
    assert run.prediction["memory"] > 4 * 4 * run.parameters
    first = next(record for record in records(done) if isinstance(record, LayersSampled))
    stds = {layer.name: layer.std for layer in first.layers}
    assert first.step == 0
    assert run.prediction["activation_std"] == pytest.approx(stds, rel=0.05), "foretold from the run's first batch"


def test_checkpoints_hold_the_model_that_the_log_measured(done: RunFolder) -> None:
    saved = [record for record in records(done) if isinstance(record, CheckpointSaved)]
    assert [(record.reason, record.epoch) for record in saved if record.reason != "best"] == [
        ("last", 1), ("epoch", 2), ("last", 2), ("last", 3)
    ]  # fmt: skip
    epochs = {record.epoch: record for record in records(done) if isinstance(record, EpochDone)}
    best = [record.epoch for record in epochs.values() if record.best]
    assert [record.epoch for record in saved if record.reason == "best"] == best
    for record in saved:
        assert (done.path / record.path).is_file()
    assert not list(done.checkpoints.glob("*.part"))
    for name, number in (("last.pt", 3), ("best.pt", best[-1]), ("epoch-0002.pt", 2)):
        state = torch.load(done.checkpoints / name, weights_only=True)
        t = training(net="conv8s2-relu-fc")
        t.model.load_state_dict(state["model"])
        found = evaluate(t, between=lambda: None)
        assert (found.accuracy, found.loss) == (epochs[number].val_accuracy, epochs[number].val_loss)
        assert state["step"] == 12 * number
    scale, shift = state["preprocess"]["scale"][0], state["preprocess"]["shift"][0]
    assert t.preprocess(torch.full((1, 1, 1, 1), 200, dtype=torch.uint8)).item() == pytest.approx(200 * scale + shift)


def losses(run: RunFolder) -> list[float | None]:
    return [loss for record in records(run) if isinstance(record, Steps) for loss in record.loss]


NOISY = "conv8s2-bn-relu-drop0.3-fc20-tanh-fc"


def test_a_run_has_the_same_bits_watched_at_every_step_or_never(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watch_budget, "SHARE", math.inf)
    runs = [
        folder(tmp_path, "plain", net=NOISY),
        folder(tmp_path, "again", net=NOISY),
        folder(tmp_path, "watched", net=NOISY, watch_every=1),
        folder(tmp_path, "unwatched", net=NOISY, watch_every=0),
        folder(tmp_path, "other", net=NOISY, seed=1),
    ]
    assert [train(run)[0] for run in runs] == [0] * 5
    first, *same, other = [losses(run) for run in runs]
    assert len(first) == 24
    assert all(found == first for found in same)
    assert other != first
    samples = [[r.step for r in records(run) if isinstance(r, LayersSampled)] for run in runs[:4]]
    assert samples == [[0, 10, 20], [0, 10, 20], list(range(24)), []]
    models = [load_checkpoint(run.checkpoints / "last.pt")["model"] for run in runs[:4]]
    assert all(torch.equal(model[name], models[0][name]) for model in models for name in model)


def test_a_warmed_engine_predicts_and_then_trains_with_the_same_bits(tmp_path: Path) -> None:
    cold, hot = folder(tmp_path, "cold", net=NOISY), folder(tmp_path, "hot", net=NOISY)
    assert train(cold)[0] == 0
    process = start("--warm", stdin=-1)
    assert process.stdin
    assert process.stdout

    def ask(request: Any) -> Any:
        assert process.stdin
        assert process.stdout
        process.stdin.write(json.dumps(request).encode() + b"\n")
        process.stdin.flush()
        return json.loads(process.stdout.readline())

    fields = {"net": NOISY, "batch_size": 128, "threads": 1, "device": "cpu"}
    found = ask({"predict": fields})
    prediction = records(cold)[0].prediction  # type: ignore[union-attr]
    assert found["recipe"] == fields
    assert {key: found[key] for key in prediction} == prediction
    assert found["parameters"] == check(recipe(net=NOISY)).table.parameters
    assert "3x3 map" in ask({"predict": {"net": "conv4s3-conv4f5p0-fc"}})["error"]
    assert "net" in ask({"predict": {"nett": "fc"}})["error"]
    assert "error" in ask({"predict": 3})
    assert "error" in ask([1])
    process.stdin.write(json.dumps({"start": str(hot.path)}).encode() + b"\n")
    code, out, err = finish(process)
    assert (code, out, err) == (0, "", "")
    assert losses(hot) == losses(cold), "another process gives the same bits"
    models = [load_checkpoint(run.checkpoints / "last.pt")["model"] for run in (cold, hot)]
    assert all(torch.equal(value, models[1][name]) for name, value in models[0].items())
    assert records(hot)[-1].status == "finished"  # type: ignore[union-attr]


def test_a_run_that_was_started_while_torch_still_loads_outlives_the_screen(tmp_path: Path) -> None:
    """The form has asked for a prediction, Start and Quit follow at once: the answer finds a closed pipe."""
    run = folder(tmp_path)
    process = start("--warm", stdin=-1)
    assert process.stdin
    assert process.stdout
    for request in ({"predict": {"net": NOISY, "device": "cpu"}}, {"start": str(run.path)}):
        process.stdin.write(json.dumps(request).encode() + b"\n")
    process.stdin.close()
    process.stdout.close()
    assert process.wait(60) == 0
    assert records(run)[-1].status == "finished"  # type: ignore[union-attr]
    assert run.log.read_text() == ""


@pytest.mark.long
def test_a_warmed_engine_that_is_no_longer_needed_goes() -> None:
    process = start("--warm", stdin=-1)
    assert process.stdin
    process.stdin.close()
    process.stdin = None
    assert finish(process)[0] == 0


def diverging(tmp_path: Path) -> RunFolder:
    return folder(tmp_path, net="fc32-relu-fc", optimizer="sgd", lr=1e20, epochs=50, schedule="constant")


def test_a_loss_that_is_not_finite_ends_the_run_as_diverged(tmp_path: Path) -> None:
    run = diverging(tmp_path)
    code, out, err = train(run)
    assert (code, out, err) == (1, "", "")
    end = records(run)[-1]
    assert isinstance(end, RunEnded)
    assert end.status == "diverged"
    found = losses(run)
    assert found.index(None) == end.step
    assert found[end.step :] == [None] * 3, "three in a row, and nothing after them"
    assert f"step {end.step}" in end.reason


@pytest.mark.parametrize(
    ("number", "code"), [pytest.param(signal.SIGINT, 130, marks=pytest.mark.long), (signal.SIGTERM, 143)]
)
@pytest.mark.usefixtures("forks")
def test_signals_stop_after_the_step_with_a_checkpoint(tmp_path: Path, number: int, code: int) -> None:
    run = folder(tmp_path, epochs=100_000)
    process = start(run)
    try:
        seen = History(run)
        wait_until(lambda: seen.poll() and seen.steps_done, what="the first steps")
        process.send_signal(signal.SIGHUP)
        process.send_signal(number)
        process.send_signal(number)  # the front's own, for the same ctrl+c
        assert finish(process) == (code, "", "")
    finally:
        process.kill()
    end = records(run)[-1]
    assert isinstance(end, RunEnded)
    assert (end.status, end.step) == ("stopped", history(run).steps_done)
    assert end.reason == f"stopped by {signal.Signals(number).name}"
    state = load_checkpoint(run.checkpoints / "last.pt")
    assert state["step"] == end.step
    assert [record.reason for record in records(run) if isinstance(record, CheckpointSaved)][-1] == "stop"
    assert not run.alive()


BAD = [
    ({"device": "cuda:9"}, "device"),
    ({"device": "mps"}, "mps"),
]


@pytest.mark.parametrize(("changes", "word"), BAD)
def test_a_device_that_is_not_there_is_a_wrong_request(tmp_path: Path, changes: dict[str, Any], word: str) -> None:
    if changes["device"] == "mps" and torch.backends.mps.is_available():
        pytest.skip("this machine has it")
    run = folder(tmp_path, **changes)
    code, out, err = train(run)
    assert (code, out) == (2, "")
    assert word in err
    assert len(err.splitlines()) == 1
    end = records(run)[-1]
    assert isinstance(end, RunEnded)
    assert end.status == "failed"
    assert end.reason in err


def test_wrong_requests_are_one_line_and_leave_the_folder_as_it_was(tmp_path: Path, done: RunFolder) -> None:
    before = done.events.read_bytes()
    found = [train(done), train(RunFolder(tmp_path / "nothing")), finish(start("--loud"))]
    with folder(tmp_path, "taken").lock():
        found.append(train(RunFolder.open(tmp_path / "taken")))
    assert [code for code, _, _ in found] == [2, 2, 2, 2]
    assert all(len(err.splitlines()) == 1 for _, _, err in found)
    for (_, _, err), word in zip(found, ("trained already", "does not exist", "usage", "another process"), strict=True):
        assert word in err
    assert done.events.read_bytes() == before
    assert not (tmp_path / "taken" / "events.jsonl").exists()


def test_what_breaks_is_told_in_one_line_with_the_traceback_in_the_workers_log(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On a machine that says it has more memory than it has: else such a net is refused before."""
    monkeypatch.setattr(memory, "free_memory", lambda **_: 1 << 60)
    run = folder(tmp_path, net="fc100000-fc10000000-fc")  # 4 TB of weights
    code, out, err = train(run)
    assert (code, out, err) == (1, "", "")
    end = records(run)[-1]
    assert isinstance(end, RunEnded)
    assert end.status == "failed"
    assert "memory" in end.reason
    assert len(end.reason.splitlines()) == 1
    assert "Traceback" in run.log.read_text()


@pytest.mark.long
def test_out_of_memory_names_batch_size_and_peak(tmp_path: Path) -> None:
    """The address space is limited to what the process has when it trains, and a little more."""
    run = folder(tmp_path, net="conv64-[relu]*400-fc", batch_size=1437, epochs=1, watch_every=0)
    limit = 9 << 29
    code, _, _ = finish(start(run, preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_AS, (limit, limit))))
    end = records(run)[-1]
    assert isinstance(end, RunEnded)
    if code == 0:
        pytest.skip("it fits")
    assert re.fullmatch(
        r"out of memory on cpu after \d+\.\d GiB, at batch size 1437 "
        r"\(weights, gradients, optimiser and activations need about 8\.\d+ GiB\); try batch size (718|359|179)"
        r", or a smaller net",
        end.reason,
    )


def test_out_of_memory_on_a_gpu_names_batch_size_and_its_own_peak(monkeypatch: pytest.MonkeyPatch) -> None:
    """What CUDA's allocator raises, told of a training that is said to be on a GPU (there may be none here)."""
    gpu = training(batch_size=64)
    gpu.device = torch.device("cuda")
    monkeypatch.setattr(torch.cuda, "max_memory_allocated", lambda _: 15 << 29)
    error = torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB. GPU 0 has a total capacity of …")
    need = f"weights, gradients, optimiser and activations need about {gib(memory_need(gpu.checked).total)}"
    assert end_message(error, gpu) == (
        f"out of memory on cuda after 7.5 GiB, at batch size 64 ({need}); try batch size 32, or a smaller net"
    )
    gpu.checked = check(recipe(batch_size=1))
    words = end_message(error, gpu)
    assert words.startswith("out of memory on cuda after 7.5 GiB, at batch size 1 (weights")
    assert words.endswith("), or a smaller net")


def test_a_checkpoint_that_cannot_be_written_is_a_word_in_the_log_and_no_end(tmp_path: Path) -> None:
    run = folder(tmp_path)
    run.checkpoints.rmdir()
    run.checkpoints.write_text("in the way")
    code, _, said = train(run)
    assert code == 1, "its weights are nowhere: no success"
    assert "there is no best.pt" in said
    words = [record for record in records(run) if isinstance(record, Log) and record.level == "error"]
    assert words
    assert "could not be written" in words[0].text
    assert records(run)[-1].status == "finished"  # type: ignore[union-attr]
