"""When training steps reach the log: in records of at most 1,000, or 100 to 500 ms, and before any other record."""

from __future__ import annotations

import time
from pathlib import Path
from types import SimpleNamespace

import msgspec
import pytest
import torch
from torch import nn

import cvtui
from cvtui.engine.observe import live_doctor, recorder
from cvtui.engine.observe.live_doctor import LiveDoctorWriter
from cvtui.runlog.events import AnyRecord, EpochDone, Log, Steps
from cvtui.runlog.folder import RunFolder


def test_steps_are_written_a_thousand_at_most_and_before_any_other_record(tmp_path: Path) -> None:
    model = nn.Linear(4, 2)
    with cvtui.watch(model, torch.optim.SGD(model.parameters(), 0.1), name="own", every=0, runs=tmp_path) as run:
        for number in range(2500):
            run.step(loss=1.0 + number)
        run.log("after 2,500")
        run.step(loss=7.0)
    records = [msgspec.json.decode(line, type=AnyRecord) for line in run.folder.events.read_bytes().splitlines()]
    steps = [record for record in records if isinstance(record, Steps)]
    assert [value for record in steps for value in record.loss] == [*(1.0 + number for number in range(2500)), 7.0]
    assert [record.first for record in steps] == [sum(len(each.loss) for each in steps[:n]) for n in range(len(steps))]
    assert max(len(record.loss) for record in steps) <= 1000
    place = next(n for n, record in enumerate(records) if isinstance(record, Log) and record.text == "after 2,500")
    assert sum(len(record.loss) for record in records[:place] if isinstance(record, Steps)) == 2500


@pytest.mark.parametrize(
    ("took", "apart"), [(0.0001, 0.1), (0.0015, 0.3), (0.2, 0.5)], ids=["cheap", "usual", "dear: on a cold cache, say"]
)
def test_flushes_are_spaced_by_what_the_last_one_took(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, took: float, apart: float
) -> None:
    """Half a percent of the time, between 100 and 500 ms: worked by hand."""
    now, spent = [1000.0], [0.0]
    monkeypatch.setattr(recorder, "time", SimpleNamespace(perf_counter=lambda: now[0], time=time.time))
    model = nn.Linear(4, 2)

    class Dear:
        def take(self) -> None:
            spent[0] += took

    with cvtui.watch(model, torch.optim.SGD(model.parameters(), 0.1), name="own", every=0, runs=tmp_path) as run:
        run._recorder.watch.budget.clock = lambda: spent[0]
        run._recorder.sources.append(Dear())
        run.step(loss=1.0)
        for after, waiting in ((0.0, 1), (0.99 * apart, 2), (1.01 * apart, 0), (1.02 * apart, 1)):
            now[0] = 1000.0 + after
            run.step(loss=1.0)
            assert run._recorder.pending == waiting, after


def test_the_doctor_looks_at_steps_a_quarter_percent_of_the_time_and_at_each_epoch(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    now, spent, looks = [1000.0], [0.0], list[float]()
    monkeypatch.setattr(
        live_doctor,
        "time",
        SimpleNamespace(perf_counter=lambda: now[0], thread_time=lambda: spent[0], time=time.time),
    )
    writer = LiveDoctorWriter(RunFolder.create(tmp_path, "run", ""))
    with writer:
        doctor = writer._doctor
        assert doctor is not None
        update = doctor.update

        def dear(seconds: float = 1.0) -> object:
            looks.append(round(now[0] - 1000, 3))
            spent[0] += 0.001  # over a quarter percent: 0.4 s
            return update(seconds)

        monkeypatch.setattr(doctor, "update", dear)
        steps = Steps(first=1, loss=[1.0], lr=[0.1], accuracy=[0.5], grad_norm=[1.0], seconds=[0.1])
        epoch = EpochDone(
            epoch=1,
            step=3,
            time=0.0,
            train_loss=1.0,
            train_accuracy=0.5,
            val_loss=1.0,
            val_accuracy=0.5,
            seconds=0.2,
            images_per_second=1.0,
        )
        for after, record in ((0.0, steps), (0.39, steps), (0.395, epoch), (0.41, steps), (0.8, steps)):
            now[0] = 1000.0 + after
            writer.write(record)
    assert looks == [0.0, 0.395, 0.8], "the epoch's look sees the steps before it, too"
