"""Steps of a short loop that are only noted: every loss is in the log, and few steps are looked at."""

from __future__ import annotations

import math
from pathlib import Path

import msgspec
import pytest
import torch
from torch import nn

import cvtui
from cvtui.engine.observe.recorder import StepRecorder
from cvtui.runlog.events import AnyRecord, Facts, Log, Steps

COUNT = 400


def test_a_short_loop_s_steps_are_noted_and_few_are_looked_at(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    norms = 0
    own = StepRecorder._take_norm

    def counted(recorder: StepRecorder, optimizer: torch.optim.Optimizer) -> None:
        nonlocal norms
        norms += 1
        own(recorder, optimizer)

    monkeypatch.setattr(StepRecorder, "_take_norm", counted)
    torch.manual_seed(0)
    model = nn.Linear(4, 2)
    optimizer = torch.optim.SGD(model.parameters(), 0.1)
    schedule = torch.optim.lr_scheduler.ExponentialLR(optimizer, 0.999)
    losses, rates, sizes = [], [], []
    held: list[torch.Tensor] = []
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
                held += [one.logits for one in run._quick._held if one.logits is not None]
            schedule.step()
            if number % 100 == 99:
                run.epoch()
    assert held
    assert not any(one.requires_grad for one in held)  # nine graphs at a time would fill a GPU
    records = [msgspec.json.decode(line, type=AnyRecord) for line in run.folder.events.read_bytes().splitlines()]
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
