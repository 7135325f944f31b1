"""`cvtui doctor --fix`: a run that is ill on purpose, cured."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from cvtui.engine.train.control import Signals
from cvtui.engine.worker import train_folder
from cvtui.runlog.folder import RunFolder
from cvtui.runlog.fork import parent_of
from tests.cli.running import cvtui, within
from tests.engine.making import folder


def test_the_cure_is_applied_and_its_gain_told(tmp_path: Path) -> None:
    ill = folder(
        tmp_path / "runs", "ill", net="fc32-relu-fc", optimizer="momentum", lr=3.0, weight_decay=0.0, epochs=3
    )  # fmt: skip
    train_folder(ill.path, Signals())
    found = within("doctor", "ill", "--fix", "--json", cwd=tmp_path)
    assert found.returncode == 0, found.stderr
    told = json.loads(found.stdout)
    assert told["finding"]["cure"].keys() == {"lr"}
    assert told["after"] > 0.7 > 0.3 > told["before"]
    assert told["gain"] == told["after"] - told["before"]
    parent = parent_of(RunFolder(tmp_path / "runs" / told["run"]))
    assert parent is not None
    assert parent.run == "ill"


def test_what_cannot_be_cured_is_one_line(tmp_path: Path) -> None:
    well = folder(tmp_path / "runs", "well", net="conv8-relu-pool-fc", epochs=3)
    train_folder(well.path, Signals())
    found = within("doctor", "well", "--fix", cwd=tmp_path)
    assert found.returncode == 2
    assert found.stderr == "cvtui: 'well': nothing is wrong with it\n"


def test_the_short_test_says_whether_it_was_the_rate(tmp_path: Path) -> None:
    ill = folder(
        tmp_path / "runs", "ill", net="conv8-relu-pool-fc32-relu-fc", optimizer="momentum", lr=3.0, epochs=2
    )  # fmt: skip
    train_folder(ill.path, Signals())
    both = within("doctor", "ill", "--fix", "--test", cwd=tmp_path)
    assert (both.returncode, both.stderr.count("\n")) == (2, 1)
    found = within("doctor", "ill", "--test", "--json", cwd=tmp_path)
    assert found.returncode == 0, found.stderr
    told = json.loads(found.stdout)
    assert (told["finding"]["id"], told["test"]) == ("F01", "rate/10")
    assert told["answer"].endswith(": it is the rate.")


@pytest.mark.long
def test_a_net_that_does_not_learn_is_put_to_one_batch(tmp_path: Path) -> None:
    stuck = folder(tmp_path / "runs", "stuck", net="fc32-relu-fc", label_noise=1.0, lr=1e-3, epochs=5)
    train_folder(stuck.path, Signals())
    found = cvtui("doctor", "stuck", "--test", cwd=tmp_path)
    assert found.returncode == 0, found.stderr
    assert "the net can memorise one batch? " in found.stdout


def test_a_healthy_run_has_nothing_to_test(tmp_path: Path) -> None:
    well = folder(tmp_path / "runs", "well", net="conv8-relu-pool-fc", epochs=1)
    train_folder(well.path, Signals())
    found = within("doctor", "well", "--test", cwd=tmp_path)
    assert (found.returncode, found.stderr) == (2, "cvtui: 'well': nothing is wrong with it\n")
