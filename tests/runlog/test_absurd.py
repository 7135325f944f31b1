"""Each field of each record with absurd values: nothing raises, nothing grows, and the list of runs stays a list."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import msgspec
import pytest

from cvtui.cli.commands.runs import _cells, as_dict
from cvtui.compare import compare, judge
from cvtui.doctor import Doctor
from cvtui.export import write_csv, write_html, write_svg
from cvtui.runlog import run_summary
from cvtui.runlog.folder import RunFolder
from cvtui.runlog.history import History
from cvtui.runlog.record_limits import recipe_values, sanitized
from cvtui.runlog.run_summary import summary
from tests.cli.running import cvtui, within
from tests.runlog.absurd import ABSURD, HUGE, logs, together
from tests.runlog.making import epoch_done, started

QUICK = (1e308, HUGE, -1, None, [HUGE], {"a": {"b": [1e308]}})


def look(run: RunFolder, base: Path, whole: bool) -> None:
    """Ask of a run what lists, screens, the doctor and reports ask."""
    run_summary._scans.clear()
    found = summary(run)
    assert sum(len(str(cell)) for cell in _cells(found).values()) < 300, "one line stays one line"
    msgspec.json.encode(as_dict(found))
    history = History(run)
    history.poll()
    assert history.state() == found.state
    for step in history.layer_steps:
        history.layers_at(int(step))
    if whole:
        doctor = Doctor(history)
        doctor.update()
        msgspec.json.encode([one.as_json() for one in doctor.all])
        write_html(history, base / "page.html")
        write_svg(history, base / "page.svg")
        write_csv(history, base / "csv")
        judge([outcome.history for outcome in compare([run, run]).outcomes])


@pytest.mark.filterwarnings("error")
@pytest.mark.torch  # not for PyTorch's sake: on other Pythons all fields at once are enough
@pytest.mark.parametrize("whole", [False, pytest.param(True, marks=pytest.mark.long)])
def test_no_value_of_any_field_makes_a_reader_raise(tmp_path: Path, whole: bool) -> None:
    run = RunFolder.create(tmp_path, "run", "")
    count = 0
    for what, data in logs(ABSURD if whole else QUICK):
        run.events.write_bytes(data)
        try:
            look(run, tmp_path, whole)
        except Exception as error:
            raise AssertionError(what) from error
        count += 1
    assert count > 1000


@pytest.mark.filterwarnings("error")
def test_all_of_them_at_once_and_all_that_is_made_of_a_run(tmp_path: Path) -> None:
    run = RunFolder.create(tmp_path, "run", "")
    for value in ABSURD:
        run.events.write_bytes(together(value))
        look(run, tmp_path, whole=True)


def test_the_command_lists_them_all(tmp_path: Path) -> None:
    for number, value in enumerate(ABSURD):
        RunFolder.create(tmp_path / "runs", f"run{number}", "").events.write_bytes(together(value))
    broken = RunFolder.create(tmp_path / "runs", "recipe", f"epochs = {10**400}\nlr = 'fast'\nnet = [1]\ndata = {{}}\n")
    os.utime(broken.recipe, (1e9, 1e9))
    for how, more in ((cvtui, []), (within, ["--json"]), (within, ["--filter", "lr<1 acc>0.1"])):
        done = how("runs", *more, cwd=tmp_path)
        assert (done.returncode, done.stderr) == (0, ""), done.stderr
        assert more[:1] == ["--filter"] or done.stdout.count("\n") >= len(ABSURD) + 1
    shutil.rmtree(broken.path)


def test_what_is_good_stays() -> None:
    """The checks take nothing from records as they are written; what a newer version adds is kept."""
    record = started(
        data={"classes": ["a"], "train": 3, "validation": 1, "input": [8, 8, 1], "mean": [1.0], "new": [1]},
        recipe={"data": "digits", "lr": 1, "epochs": 3, "ema": 0.0, "new_field": "x", "lr_list": [0.1, 1.0]},
        prediction={"first_loss": 2.3, "memory": 5, "activation_std": {"a": 0.0}, "start_loss": None},
    )
    assert sanitized(record) == record
    assert sanitized(epoch_done(1, 20)) == epoch_done(1, 20)
    assert recipe_values({"lr": "fast", "epochs": True, "net": "fc", "seed": HUGE}) == {"net": "fc"}


def test_the_facts_of_the_data_are_lost_one_by_one() -> None:
    record = sanitized(started(data={"classes": 7, "train": 3, "validation": -1, "input": [0], "mean": "x"}))
    assert record.data == {"train": 3}
