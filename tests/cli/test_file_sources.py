"""csv, npz, parquet and tar files on the command line: train, check, data, fork, and refusals of one line."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from cvtui.cli.commands.check import check as check_command
from tests.cli.running import within
from tests.engine.data.held_pictures import MAKERS
from tests.engine_within import engines_within

pytestmark = pytest.mark.torch


def test_train_mistakes_fork_and_check(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A run on a table, from the command line to its mistakes, and a fork of it from another folder."""
    text = MAKERS["csv"](tmp_path / "set")
    options = ["--size", "4", "--net", "fc", "--batch-size", "8", "--threads", "1"]
    done = within("--no-ui", "--data", "csv:set/train.csv", *options, "--epochs", "1", "--name", "run", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    done = within("mistakes", "run", "--json", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    for line in done.stdout.splitlines():
        assert (tmp_path / json.loads(line)["image"]).is_file()
    (tmp_path / "elsewhere").mkdir()
    done = within("fork", str(tmp_path / "runs" / "run"), "--epochs", "2", "--no-ui", cwd=tmp_path / "elsewhere")
    assert done.returncode == 0, done.stderr
    with engines_within():
        check_command.main(["--data", text, *options, "--json"], standalone_mode=False)
    told = json.loads(capsys.readouterr().out)
    assert all(item["mark"] != "fault" for item in told["checks"] if "labels" in item["question"])


def test_refusals_are_one_line_before_anything_is_made(tmp_path: Path) -> None:
    MAKERS["csv"](tmp_path)
    shutil.rmtree(tmp_path / "train_images")
    for text, words in (
        ("train.csv", "--data: 'train.csv' needs a prefix: csv:train.csv"),
        ("csv:train.csv", "no picture that 'train.csv' names is there (column 'id_code': 'p000'); looked in"),
    ):
        done = within("--no-ui", "--data", text, "--net", "fc", cwd=tmp_path)
        assert done.returncode == 2
        assert words in done.stderr
        assert done.stderr.count("\n") == 1
        assert not (tmp_path / "runs").exists()
