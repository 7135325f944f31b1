"""Own scalars, output sizes and percent accuracies of a custom loop, from its calls to its log and its tables."""

from __future__ import annotations

import csv
import math
from pathlib import Path

import pytest
import torch
from torch import nn

import cvtui
from cvtui.engine.observe.own_scalars import OwnScalars
from cvtui.engine.observe.percent import PercentAccuracy
from cvtui.export import write_csv
from cvtui.runlog.history import History

pytestmark = pytest.mark.torch


def loop(tmp_path: Path, factor: float = 1.0, wrong: bool = False) -> History:
    """Train twelve steps; `factor`: of the accuracy that is told."""
    torch.manual_seed(0)
    model = nn.Sequential(nn.Conv2d(1, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(144, 3))
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    with cvtui.watch(model, optimizer, name="mine", runs=tmp_path) as run:
        for number in range(12):
            images, labels = torch.rand(8, 1, 8, 8), torch.arange(8) % 3
            outputs = model(images)
            loss = nn.functional.cross_entropy(outputs, labels)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            right = (outputs.argmax(1) == labels).float()
            run.step(loss=loss, accuracy=factor * (right.sum() if wrong else right.mean()))
            running = torch.tensor(float(number))
            run.log(iou=running, f1=number / 10)
            running += 100  # what the loop does with its tensor later is its own affair
        run.log("a line", last=math.inf)
        run.epoch(val_accuracy=0.5 * factor)
    history = History(run.folder)
    history.poll()
    assert not history.skipped
    assert not history.unknown
    return history


def test_own_scalars_are_in_the_log_the_history_and_the_table(tmp_path: Path) -> None:
    history = loop(tmp_path)
    assert history.scalars.names == ["iou", "f1", "last"]
    iou, last = history.scalars.curves["iou"], history.scalars.curves["last"]
    assert iou.values.tolist() == list(range(12))
    assert iou.steps.tolist() == list(range(1, 13))
    assert (iou.at(None), iou.at(5), iou.at(0)) == (11, 4, None)
    assert math.isnan(last.values[0])
    write_csv(history, tmp_path / "csv")
    rows = list(csv.reader((tmp_path / "csv" / "scalars.csv").open()))
    assert rows[0] == ["name", "step", "value"]
    assert [row for row in rows if row[0] == "f1"] == [["f1", str(n + 1), str(n / 10)] for n in range(12)]
    assert ["last", "12", "inf"] in rows
    assert "a line" in [line.text for line in history.logs]


def test_output_sizes_come_from_the_first_step(tmp_path: Path) -> None:
    facts = loop(tmp_path).facts
    assert facts is not None
    assert facts.output_sizes == {"0": [6, 6, 4], "1": [6, 6, 4], "3": [3]}


@pytest.mark.parametrize(("factor", "wrong", "said"), [(1.0, False, 0), (100.0, False, 1), (10.0, True, 0)])
def test_percent_is_recorded_as_shares_and_said_once(tmp_path: Path, factor: float, wrong: bool, said: int) -> None:
    history = loop(tmp_path, factor, wrong)
    lines = [line.text for line in history.logs if "in percent" in line.text]
    assert len(lines) == said
    assert ("F49" in [finding.id for finding in history.findings]) is wrong, "the doctor's own word is enough"
    if not wrong:
        assert float(history.steps.accuracy.max()) <= 1
        assert history.epochs[0].val_accuracy == pytest.approx(0.5)
    assert history.facts is not None
    assert history.facts.accuracy_unit == ("" if factor == 1 else "percent")


def test_a_share_that_was_rounded_up_is_no_percent() -> None:
    unit = PercentAccuracy()
    assert unit.shares([0.5, 1.0000001, 1.6]) == [0.5, 1.0000001, 1.6]
    assert unit.shares([1.5, 40.0, 140.0]) == [0.015, 0.4, 140.0]
    assert unit.words() == "accuracies are told in percent (40) and recorded as shares (0.4)"


def test_what_is_no_number_is_refused_with_one_sentence(tmp_path: Path) -> None:
    model = nn.Linear(2, 1)
    with cvtui.watch(model, torch.optim.SGD(model.parameters(), lr=0.1), name="m", runs=tmp_path) as run:
        with pytest.raises(ValueError, match=r"run\.log\(iou=…\) wants one number, not a tensor of 3 values"):
            run.log(iou=torch.ones(3))
        with pytest.raises(TypeError, match=r"run\.log\(iou=…\) wants one number.*not a str"):
            run.log(iou="high")  # type: ignore[arg-type]
        with pytest.raises(TypeError, match=r"not run\.log of a dict"):
            run.log({"iou": 1.0})  # type: ignore[arg-type]
        for number in range(120):
            run.log("", **{f"name{number}": 1.0})
    history = History(run.folder)
    history.poll()
    assert len(history.scalars.names) == 100
    assert sum("further ones are left out" in line.text for line in history.logs) == 1


def test_without_a_step_the_values_of_a_name_are_numbered_and_that_is_said_once(tmp_path: Path) -> None:
    model = nn.Linear(2, 1)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    with cvtui.watch(model, optimizer, name="m", runs=tmp_path) as run:
        for number in range(5):
            run.log(iou=number / 10, f1=1.0)
    history = History(run.folder)
    history.poll()
    assert history.scalars.curves["iou"].steps.tolist() == [0, 1, 2, 3, 4]
    assert len([line for line in history.logs if "no run.step() was called" in line.text]) == 1


def test_a_validation_before_the_first_step_does_not_move_what_comes_after() -> None:
    scalars = OwnScalars()
    for value in (0.5, 0.6):
        scalars.add(0, {"iou": value})
    for step in (1, 2):
        scalars.add(step, {"iou": 0.7})
    record = scalars.take()
    assert record is not None
    assert [step for row in record.rows for step in row.steps] == [0, 1, 1, 2]
    assert scalars.message() == ""
    scalars.add(0, {"iou": 1.0})
    scalars.add(1, {"iou": 1.0})
    record = scalars.take()
    assert record is not None
    assert [row.steps for row in record.rows] == [[2], [1]], "each row rises; one that goes back begins anew"
