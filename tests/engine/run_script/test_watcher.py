"""A script's own figures are the recorded ones, and its weights are the same to the bit."""

from __future__ import annotations

import copy
import gc
import math
import os
import pickle
import time
import warnings
import weakref
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch._C import _len_torch_function_stack
from torch.nn import functional
from torch.nn.modules import module
from torch.optim import optimizer
from torch.utils.data import DataLoader, TensorDataset, dataloader

from cvtui.doctor import examine
from cvtui.engine.custom_loop import quick_steps
from cvtui.engine.run_script.options import Options
from cvtui.engine.run_script.search import Made
from cvtui.engine.run_script.session import UNTOUCHED
from cvtui.engine.run_script.watcher import MOST_IDLE, Watcher
from cvtui.runlog.events import Command
from cvtui.runlog.folder import RunFolder
from cvtui.runlog.history import History
from tests.engine.run_script import scripts

pytestmark = pytest.mark.torch


def run(script: Callable[[], Any], runs: Path | None, **options: Any) -> Any:
    """Run a script, under the watch where it has a folder."""
    torch.manual_seed(7)
    if runs is None:
        return script()
    gc.freeze()  # a look at all objects of a process that has run many tests takes 30 ms
    watcher = Watcher(Options(name="s", runs=str(runs), **options), os.getcwd())
    try:
        return script()
    finally:
        watcher.end(None)
        gc.unfreeze()


def history(folder: Path) -> History:
    found = History(RunFolder(folder))
    found.poll()
    return found


def lines(folder: Path) -> str:
    return (folder / "events.jsonl").read_text(encoding="utf-8")


def close(one: list[float], other: list[float]) -> bool:
    return len(one) == len(other) and all(math.isclose(a, b, rel_tol=1e-5, abs_tol=1e-6) for a, b in zip(one, other))  # noqa: B905


@pytest.mark.parametrize("name", scripts.ONE_MODEL)
def test_its_losses_and_validations_are_recorded_and_no_bit_changes(name: str, tmp_path: Path) -> None:
    script = scripts.ONE_MODEL[name]
    alone = run(script, None)
    random = torch.get_rng_state()
    told = run(script, tmp_path)
    assert all(torch.equal(a, b) for a, b in zip(alone.trained, told.trained, strict=True))
    assert torch.equal(random, torch.get_rng_state())
    assert told.losses == alone.losses
    found = history(tmp_path / "s")
    assert close(list(found.steps.loss), told.losses)
    assert found.state() == "finished"
    assert not any(math.isnan(value) for value in found.steps.accuracy)
    for at, (loss, accuracy) in enumerate(told.validations):
        assert math.isclose(found.epochs[at].val_loss or 0, loss, rel_tol=1e-5)
        assert math.isclose(found.epochs[at].val_accuracy or 0, accuracy, rel_tol=1e-5)
    assert len(found.epochs) == (len(told.validations) or {"scaled": 2}.get(name, 1))


def test_steps_that_are_only_noted_tell_their_losses_and_end_with_the_loader(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of most steps nothing is seen but what backward() is called on: no step, epoch or evaluation may be missing."""
    monkeypatch.setattr(quick_steps, "SHARE", 1e-9)
    monkeypatch.setattr(quick_steps, "SHORT_SECONDS", 1e9)
    rested = scripts.noted_steps(monkeypatch)
    means: list[float] = []

    def script() -> scripts.Told:
        means.clear()
        images = torch.randn(210, 1, 6, 6)
        labels = (images.mean((1, 2, 3)) > 0).long()
        train, held = TensorDataset(images[:190], labels[:190]), TensorDataset(images[190:], labels[190:])
        model, losses, validations = scripts.net(), [], []
        optimizer = torch.optim.SGD(model.parameters(), 0.01)
        for _ in range(6):  # of 19 steps and one of 2 images
            model.train()
            total = 0.0
            for x, y in DataLoader(train, 8, shuffle=True):
                optimizer.zero_grad()
                loss = functional.cross_entropy(model(x), y)
                loss.backward()
                optimizer.step()
                losses.append(loss.item())
                total += loss.item() * len(x)
            means.append(total / len(train))
            validations.append(scripts.validated(model, held))
        return scripts.Told(losses, validations, [*model.state_dict().values()])

    backward = torch.autograd.backward
    alone = run(script, None)
    told = run(script, tmp_path)
    assert torch.autograd.backward is backward
    assert all(torch.equal(a, b) for a, b in zip(alone.trained, told.trained, strict=True))
    assert len(rested) > 40
    assert lines(tmp_path / "s").count("accuracies are those of the steps that are looked at") == 1
    found = history(tmp_path / "s")
    assert found.state() == "finished"
    assert close(list(found.steps.loss), told.losses)
    assert [step for step, share in enumerate(found.steps.accuracy) if math.isnan(share)] == rested
    assert [epoch.step for epoch in found.epochs] == [24 * number for number in range(1, 7)]
    assert close([epoch.train_loss or 0 for epoch in found.epochs], means)
    assert close([epoch.val_loss or 0 for epoch in found.epochs], [loss for loss, _ in told.validations])
    assert all(epoch.train_accuracy is not None and epoch.val_accuracy is not None for epoch in found.epochs)


def test_nothing_of_it_stays_in_pytorch(tmp_path: Path) -> None:
    filters, following = list(warnings.filters), dataloader._BaseDataLoaderIter.__next__
    run(scripts.plain, tmp_path)
    assert not module._global_forward_hooks
    assert not module._global_forward_pre_hooks
    assert not optimizer._global_optimizer_pre_hooks
    assert not optimizer._global_optimizer_post_hooks
    assert list(warnings.filters) == filters
    assert dataloader._BaseDataLoaderIter.__next__ is following


def test_calls_of_a_loader_that_makes_a_batch_are_not_looked_at(tmp_path: Path) -> None:
    modes: list[int] = []

    class Images(torch.utils.data.Dataset[tuple[torch.Tensor, int]]):
        def __len__(self) -> int:
            return 12

        def __getitem__(self, number: int) -> tuple[torch.Tensor, int]:
            modes.append(_len_torch_function_stack())
            return torch.full((4,), float(number)), number % 3

    def script() -> None:
        model = torch.nn.Linear(4, 3)
        optimizer = torch.optim.SGD(model.parameters(), 0.01)
        for x, y in DataLoader(Images(), 4):
            optimizer.zero_grad()
            torch.nn.functional.cross_entropy(model(x), y).backward()
            optimizer.step()
        with torch.no_grad():
            for x, y in DataLoader(Images(), 4):
                (model(x).argmax(1) == y).sum().item()

    run(script, tmp_path)
    assert modes == [0] * 24
    assert len(history(tmp_path / "s").epochs) == 1
    assert history(tmp_path / "s").epochs[0].val_accuracy is not None, "what comes after the batch is seen"


def test_an_evaluation_on_the_training_data_is_no_validation(tmp_path: Path) -> None:
    run(scripts.on_its_training_data, tmp_path)
    assert [one.val_accuracy for one in history(tmp_path / "s").epochs] == [None, None]
    assert "goes over the data that the model is trained on" in lines(tmp_path / "s")


@pytest.mark.parametrize(("sizes", "epochs"), [((12, 12, 12), [3, 6, 9]), ((12, 6, 9), [3])], ids=["alike", "others"])
def test_an_epoch_of_data_made_anew_ends_once(sizes: tuple[int, ...], epochs: list[int], tmp_path: Path) -> None:
    images = torch.randn(12, 4)

    def script() -> None:
        model = torch.nn.Linear(4, 3)
        optimizer = torch.optim.SGD(model.parameters(), 0.01)
        for size in sizes:
            made = torch.utils.data.TensorDataset(images[:size], torch.arange(size) % 3)
            for x, y in DataLoader(made, 4):
                optimizer.zero_grad()
                torch.nn.functional.cross_entropy(model(x), y).backward()
                optimizer.step()

    run(script, tmp_path)
    assert [one.step for one in history(tmp_path / "s").epochs] == epochs


def test_pieces_without_a_loader_are_not_guessed_at(tmp_path: Path) -> None:
    run(scripts.in_pieces, tmp_path)
    assert [one.val_loss for one in history(tmp_path / "s").epochs] == [None, None]
    assert "run.epoch(val_loss=" in lines(tmp_path / "s")


@pytest.mark.parametrize("script", [scripts.folds, scripts.in_two_parts])
def test_each_fold_and_each_optimizer_is_a_run(
    script: Callable[[], Any], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    alone = run(script, None)
    told = run(script, tmp_path, doctor=True)
    examined = [line.split()[2].strip(":") for line in capsys.readouterr().err.splitlines() if "cvtui doctor" in line]
    assert list(dict.fromkeys(examined)) == ["s", "s-2"]
    for name, one, other in zip(("s", "s-2"), told, alone, strict=True):
        assert all(torch.equal(a, b) for a, b in zip(one.trained, other.trained, strict=True))
        found = history(tmp_path / name)
        late = 0 if name == "s" else 1  # a second model is found at its second step
        assert close(list(found.steps.loss), one.losses[late:])
        assert close([epoch.val_accuracy or 0 for epoch in found.epochs], [right for _, right in one.validations])


def test_an_optimizer_that_comes_back_is_recorded_beside_the_one_that_took_its_place(tmp_path: Path) -> None:
    def script() -> list[float]:
        model, losses = scripts.net(), []
        x, y = torch.randn(8, 1, 6, 6), torch.arange(8) % 2
        first = torch.optim.SGD(model.parameters(), 0.1)
        other = None
        for number in range(30):
            if number in (6, 7, 20):
                other = other or torch.optim.Adam(model.parameters(), 0.01)
            optimizer = other if other is not None and number in (6, 7, 20) else first
            model.zero_grad()
            loss = torch.nn.functional.cross_entropy(model(x), y)
            loss.backward()
            optimizer.step()
            losses.append(loss.item())
        return losses

    alone, told = run(script, None), run(script, tmp_path)
    assert told == alone
    assert sorted(one.name for one in tmp_path.iterdir()) == ["s", "s-2", "s-3"]
    assert close(list(history(tmp_path / "s").steps.loss), told[:6])
    assert close(list(history(tmp_path / "s-2").steps.loss), told[7:8])
    # A step of two optimizers is one of each: one alone is known as a step when it steps anew.
    together = list(history(tmp_path / "s-3").steps.loss)
    assert close(together[:10], told[9:19])
    assert close(together[10:], told[20:29])


def test_a_model_of_an_ended_run_is_freed_when_the_script_lets_it_go(tmp_path: Path) -> None:
    made: list[weakref.ref[Any]] = []
    alive: list[int] = []

    def rates() -> None:
        images, labels = torch.randn(4, 1, 6, 6), torch.arange(4) % 2
        for rate in (0.1, 0.01, 0.001):
            model = scripts.net()
            optimizer = torch.optim.SGD(model.parameters(), rate)
            made.append(weakref.ref(model))
            for _ in range(UNTOUCHED + 2):
                optimizer.zero_grad()
                torch.nn.functional.cross_entropy(model(images), labels).backward()
                optimizer.step()
            gc.collect()
            alive.append(sum(one() is not None for one in made))

    run(rates, tmp_path)
    assert alive == [1, 1, 1]
    assert {one.name for one in tmp_path.iterdir()} == {"s", "s-2", "s-3"}


def test_two_adversaries_are_two_runs_each_with_its_own_loss(tmp_path: Path) -> None:
    alone = run(scripts.adversaries, None)
    told = run(scripts.adversaries, tmp_path)
    for name, late, one, other in zip(("s", "s-2"), (0, 1), told, alone, strict=True):
        assert all(torch.equal(a, b) for a, b in zip(one.trained, other.trained, strict=True))
        assert close(list(history(tmp_path / name).steps.loss), one.losses[late:])


def test_what_is_not_found_is_said_with_what_to_add(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def by_hand() -> None:
        weight = torch.nn.Parameter(torch.ones(3))
        descent = torch.optim.SGD([weight], 0.1)
        weight.square().sum().backward()
        descent.step()

    def old_weights() -> None:
        model = scripts.net()
        descent = torch.optim.SGD(model.parameters(), 0.1)
        copy.deepcopy(model)(torch.randn(4, 1, 6, 6)).sum().backward()
        descent.step()

    run(lambda: None, tmp_path)
    run(by_hand, tmp_path)
    run(old_weights, tmp_path)
    nothing, unseen, old = capsys.readouterr().err.splitlines()
    assert "1 steps of an optimizer none of whose parameters had a gradient" in old
    assert nothing.startswith("cvtui: nothing was watched: no optimizer of torch.optim made a step")
    assert "cvtui.watch(model, optimizer)" in unseen
    assert not list(tmp_path.iterdir())


def test_an_optimizer_that_holds_other_weights_than_the_models_is_named(tmp_path: Path) -> None:
    def old_weights() -> list[torch.Tensor]:
        train, _ = scripts.data()
        model = scripts.net()
        descent = torch.optim.SGD(copy.deepcopy(model).parameters(), 0.1)
        for _ in range(4):
            for x, y in DataLoader(train, 8):
                descent.zero_grad()
                torch.nn.functional.cross_entropy(model(x), y).backward()
                descent.step()
        return list(model.parameters())

    alone, told = run(old_weights, None), run(old_weights, tmp_path)
    assert all(torch.equal(a.grad, b.grad) for a, b in zip(alone, told, strict=True))
    found = history(tmp_path / "s")
    assert found.steps_done == 4 * 6 - MOST_IDLE
    assert examine(found)[0].id == "F26"


def test_an_error_of_ours_ends_the_watching_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def broken(*_: Any) -> None:
        raise ZeroDivisionError("ours")

    alone = run(scripts.plain, None)
    monkeypatch.setattr("cvtui.engine.run_script.session.Session.close_epoch", broken)
    told = run(scripts.plain, tmp_path)
    assert told.losses == alone.losses
    assert all(torch.equal(a, b) for a, b in zip(alone.trained, told.trained, strict=True))
    said = capsys.readouterr().err.splitlines()
    assert said[1:] == ["cvtui: watching ended (ZeroDivisionError: ours); the script goes on"]
    end = history(tmp_path / "s").end
    assert end is not None
    assert (end.status, "watching ended" in end.reason) == ("failed", True)


def test_a_stop_from_a_screen_is_ctrl_c_in_the_script(tmp_path: Path) -> None:
    done = 0

    def stopped() -> str:
        nonlocal done
        model = torch.nn.Linear(3, 2)
        descent = torch.optim.SGD(model.parameters(), 0.1)
        until = time.monotonic() + 60  # commands are read by the clock: no number of steps is sure to last so long
        try:
            while time.monotonic() < until:
                model(torch.ones(2, 3)).square().sum().backward()
                descent.step()
                done += 1
                if done == 3:
                    RunFolder(tmp_path / "s").send(Command(command="stop", time=time.time()))
        except KeyboardInterrupt:
            return "saved"
        return "not asked"

    assert run(stopped, tmp_path) == "saved"
    found = history(tmp_path / "s")
    assert found.state() == "stopped"
    assert 3 <= found.steps_done <= done + 1


def test_optimizers_are_known_however_they_are_made_and_pytorch_is_left_as_it_was() -> None:
    own = vars(torch.optim.Optimizer)["_patch_step_function"], vars(torch.amp.GradScaler)["__init__"]
    made = Made()
    made.begin()
    try:
        first = torch.optim.SGD([torch.nn.Parameter(torch.ones(1))], 0.1)
        scaler = torch.amp.GradScaler("cpu")
        others = copy.copy(first), copy.deepcopy(first), pickle.loads(pickle.dumps(first))
        assert [*map(id, made.living())] == [*map(id, (first, scaler, *others))]
        del others
        assert len(made.living()) == 2
    finally:
        made.end()
    assert own == (vars(torch.optim.Optimizer)["_patch_step_function"], vars(torch.amp.GradScaler)["__init__"])
