"""Steps of a short loop that are only noted: every loss is in the log, and few steps are looked at."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
import torch
from torch import nn

import cvtui
from cvtui.engine.custom_loop import quick_steps
from cvtui.engine.custom_loop.watched_run import WatchedRun
from cvtui.engine.observe import recorder as recorder_module
from cvtui.engine.observe.gradient_norm import GradientNorm
from cvtui.engine.observe.step_metrics import Quick
from cvtui.engine.train import control
from cvtui.runlog.events import AnyRecord, Command, Facts, Log, Steps
from cvtui.runlog.history import History

COUNT = 400


def records_of(run: WatchedRun) -> list[AnyRecord]:
    return [msgspec.json.decode(line, type=AnyRecord) for line in run.folder.events.read_bytes().splitlines()]


def test_a_short_loop_s_steps_are_noted_and_few_are_looked_at(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    norms = 0
    own = GradientNorm._take_norm

    def counted(norm: GradientNorm, optimizer: torch.optim.Optimizer) -> None:
        nonlocal norms
        norms += 1
        own(norm, optimizer)

    monkeypatch.setattr(GradientNorm, "_take_norm", counted)
    torch.manual_seed(0)
    model = nn.Linear(4, 2)
    optimizer = torch.optim.SGD(model.parameters(), 0.1)
    schedule = torch.optim.lr_scheduler.ExponentialLR(optimizer, 0.999)
    losses, rates, sizes = [], [], []
    held: list[torch.Tensor] = []
    bare, kinds = 0, set[type]()
    with cvtui.watch(model, optimizer, name="quick", runs=tmp_path) as run:
        for number in range(COUNT):
            images = torch.randn(8, 4)
            if number == COUNT - 25:
                images[0, 0] = math.nan
            optimizer.zero_grad()
            logits, labels = model(images), torch.arange(8) % 2
            loss = nn.functional.cross_entropy(logits, labels)
            loss.backward()
            optimizer.step()
            losses.append(loss.item())
            rates.append(optimizer.param_groups[0]["lr"])
            sizes.append(math.hypot(*(p.grad.norm().item() for p in model.parameters() if p.grad is not None)))
            if number < COUNT - 15:
                run.step(loss=loss)
            else:  # as `cvtui run` tells it
                run.step_of(loss, logits, labels)
                noted = [one for one in run._quick.plain if isinstance(one, Quick)]
                held += [one.logits for one in noted if one.logits is not None]
            schedule.step()
            bare += not optimizer._optimizer_step_pre_hooks
            kinds |= {type(one[0]) for one in run._quick.plain if type(one) is tuple}
            if number % 100 == 99:
                run.epoch()
    # Most steps meet no hook of ours, and none is traced by a table that PyTorch looks through; no loss is held.
    assert bare > COUNT / 4
    assert all(p._backward_hooks is None and p._post_accumulate_grad_hooks is None for p in model.parameters())
    assert kinds == {float}
    assert held
    assert not any(one.requires_grad for one in held)  # nine graphs at a time would fill a GPU
    records = records_of(run)
    steps = [record for record in records if isinstance(record, Steps)]
    told = [value for record in steps for value in record.loss]
    good = COUNT - 25
    assert told[:good] == pytest.approx(losses[:good], rel=1e-6)
    assert told[good:] == [None] * 25
    assert [value for record in steps for value in record.lr] == pytest.approx(rates, rel=1e-5)
    seconds = [value for record in steps for value in record.seconds]
    assert seconds == sorted(value for value in seconds if value is not None)
    found = [value for record in steps for value in record.grad_norm]
    # One in ten, beside the first ten; five in ten where layers are sampled at each tenth.
    assert norms <= COUNT / 2 + 10
    for start in range(0, good - 10, 10):  # the doctor's windows
        assert any(value is not None for value in found[start : start + 10])
    for value, size in zip(found[:good], sizes[:good], strict=True):
        assert value is None or value == pytest.approx(size, rel=1e-4)
    assert sum("looks at each step would take" in one.text for one in records if isinstance(one, Log)) == 1
    # Of a NaN in later epochs a loss tells first; it goes on in the weights, and no batch is said to be the first.
    bad = [one.bad_batch for one in records if isinstance(one, Facts) and one.bad_batch is not None]
    assert bad in ([], [good])


def test_nothing_that_a_loop_does_between_two_looks_is_lost(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Numbers that it sets back, updates at some steps alone, and evaluations, which end in the middle of a row."""
    monkeypatch.setattr(quick_steps, "SHARE", 1e-9)  # each row has MOST steps
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(4, 8), nn.BatchNorm1d(8), nn.Linear(8, 2))
    optimizer = torch.optim.SGD(model.parameters(), 0.01)
    total, right = torch.zeros(()), torch.zeros(())
    memory = np.zeros(8, np.int64)  # of which PyTorch counts no writing
    own, lent = torch.zeros(8, dtype=torch.long), torch.from_numpy(memory)
    losses, shares, updates, counts = [], [], [], []
    together = 10  # batches between two updates, as many as from one look to the next

    def train(number: int) -> None:
        own.copy_(torch.randint(2, (8,)))
        memory[:] = own.numpy()
        labels = own if number % 2 else lent
        counts.append(labels.bincount(minlength=2))
        logits = model(torch.randn(8, 4))
        loss = nn.functional.cross_entropy(logits, labels)
        loss.backward()
        total.add_(loss.detach())
        right.add_((logits.argmax(1) == labels).float().mean())
        if number % together == together - 1:
            updates.append(number)
            optimizer.step()
            optimizer.zero_grad()
        losses.append(total.item())
        shares.append(right.item())
        if number % 3:
            run.step(loss=total, accuracy=right, labels=labels)
        else:  # as `cvtui run` tells it
            run.step_of(loss.detach(), logits, labels)
        for sum_of in (total, right, loss.detach()):
            sum_of.zero_()

    with cvtui.watch(model, optimizer, name="between", runs=tmp_path) as run:
        for number in range(140):
            train(number)
            if number == 99:
                run.epoch()
        at = len(losses)
        while run._quick.left < 5:
            train(len(losses))
            at = len(losses)
        model.eval()
        with torch.no_grad():
            model(torch.randn(50, 4) + 100)
        model(torch.randn(4, 4)).sum().backward()
        for _ in range(3):
            optimizer.step()
        model.train()
        run.epoch()
        for number in range(at, at + 40):
            train(number)
    records = records_of(run)
    steps = [record for record in records if isinstance(record, Steps)]
    assert [value for record in steps for value in record.loss] == pytest.approx(losses, rel=1e-6)
    assert [value for record in steps for value in record.accuracy] == pytest.approx(shares, rel=1e-6)
    norms = [value for record in steps for value in record.grad_norm]
    told = [number for number, norm in enumerate(norms) if norm is not None]
    assert set(told) <= {*updates, at}  # (the first step behind an evaluation tells the norm of its last update)
    assert len([number for number in told if number > 99]) >= len([number for number in updates if number > 99]) - 2
    facts = [record for record in records if isinstance(record, Facts)]
    assert [one.batch_labels for one in facts if one.batch_labels][-1] == torch.stack(counts[:10]).sum(0).tolist()
    assert [one.validation_mean for one in facts if one.validation_mean is not None] == [pytest.approx(100, abs=1)]
    assert [one.updates_in_eval for one in facts if one.updates_in_eval] == [[at, 3]]


def test_a_row_s_steps_are_numbered_as_the_loop_counts_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What comes between two looks is told with its own step, in an epoch's middle, and at its own rate."""
    monkeypatch.setattr(quick_steps, "SHARE", 1e-9)
    monkeypatch.setattr(quick_steps, "HELD_SECONDS", 1e9)
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(4, 8), nn.BatchNorm1d(8), nn.Linear(8, 2))
    optimizer = torch.optim.SGD(model.parameters(), 0.1)
    rates, sizes, hooks = [], [], list[Any]()

    def update(images: torch.Tensor) -> torch.Tensor:
        optimizer.zero_grad()
        loss = nn.functional.cross_entropy(model(images), torch.arange(8) % 2)
        loss.backward()
        sizes.append(math.hypot(*(p.grad.norm().item() for p in model.parameters() if p.grad is not None)))
        optimizer.step()
        return loss

    def cut(*_: object) -> None:
        nn.utils.clip_grad_norm_(model.parameters(), 1e-3)

    def load() -> None:
        saved = optimizer.state_dict()
        saved["param_groups"][0]["lr"] = 0.05
        optimizer.load_state_dict(saved)

    def train_in_validation() -> None:
        model.eval()
        for _ in range(3):
            update(torch.randn(8, 4))
            del sizes[-1]
        model.train()

    between: dict[int, Callable[[], object]] = {
        150: load,
        170: lambda: hooks.append(optimizer.register_step_pre_hook(cut)),
        190: lambda: hooks.pop().remove(),
        237: model.eval,  # five steps in evaluation mode, which are told
        242: model.train,
        351: train_in_validation,  # updates that are not
        461: lambda: torch.no_grad()(model)(torch.randn(8, 4)),  # a validation in training mode
    }
    rows = 0
    with cvtui.watch(model, optimizer, name="numbered", runs=tmp_path, every=0) as run:
        for number in range(600):
            between.get(number, int)()
            loss = update(torch.randn(8, 4) if number != 573 else torch.full((8, 4), math.nan))
            rates.append(optimizer.param_groups[0]["lr"])
            rows += run._quick.left > 0
            run.step(loss=loss)
    assert rows > 550
    records = records_of(run)
    steps = [one for one in records if isinstance(one, Steps)]
    facts = [one for one in records if isinstance(one, Facts)]
    assert [one for record in steps for one in record.lr or [record.rate] * len(record.loss)] == pytest.approx(rates)
    norms = [one for record in steps for one in record.grad_norm]
    for norm, size in zip(norms[:573], sizes[:573], strict=True):
        assert norm is None or norm == pytest.approx(size, rel=1e-4)
    assert [one.bad_batch for one in facts if one.bad_batch is not None] == [573]
    assert [one.eval_step for one in facts if one.eval_step is not None] == [237]
    assert [one.updates_in_eval for one in facts if one.updates_in_eval] == [[351, 3]]
    assert [one.validation_mode for one in facts if one.validation_mode is not None] == [True]


def test_a_screen_follows_and_stops_slow_steps_that_are_noted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(quick_steps, "SHARE", 1e-9)
    monkeypatch.setattr(quick_steps, "HELD_SECONDS", 0.0)  # as if each step took longer
    monkeypatch.setattr(recorder_module, "FLUSH_SECONDS", 0.0)
    monkeypatch.setattr(recorder_module, "MOST_SECONDS", 0.0)
    monkeypatch.setattr(control, "POLL_SECONDS", 0.0)
    model = nn.Linear(4, 2)
    optimizer = torch.optim.SGD(model.parameters(), 0.01)
    with cvtui.watch(model, optimizer, name="slow", runs=tmp_path) as run:
        for _ in range(200):
            loss = model(torch.ones(2, 4)).square().sum()
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            noted = run._quick.left > 2  # (five are noted between samples of the layers, more where they are rarer)
            if noted:
                run.folder.send(Command(command="stop", time=0.0))
            run.step(loss=loss)
            assert not noted
    assert run.step_count < 200
    history = History(run.folder)
    history.poll()
    assert history.state() == "stopped"
    assert history.steps_done == run.step_count
