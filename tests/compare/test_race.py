"""A race in real processes: fair (same weights, same batches), diverging is a result, the best is named."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from cvtui.runlog.folder import RunFolder, list_runs
from cvtui.runlog.history import History
from tests.cli.running import within
from tests.forked import forked

COMMAND = [sys.executable, "-m", "cvtui", "sweep", "--net", "fc16-relu-fc", "--epochs", "2", "--optimizer", "sgd"]


def sweep(runs: Path, *options: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*COMMAND, "--runs", str(runs), *options],
        capture_output=True,
        text=True,
        timeout=120,
        stdin=subprocess.DEVNULL,
        env={**os.environ, "COLUMNS": "160"},
    )


@pytest.fixture(scope="module")
def race(tmp_path_factory: pytest.TempPathFactory) -> tuple[dict, list[History]]:
    runs = tmp_path_factory.mktemp("race")
    with forked():
        done = sweep(runs, "--lr", "1e-1,1e-6,1e12", "--name", "race", "--jobs", "2", "--threads", "1", "--json")
    assert done.returncode == 0, done.stderr
    histories = [History(folder) for folder in sorted(list_runs(runs), key=lambda folder: folder.name)]
    for history in histories:
        history.poll()
    return json.loads(done.stdout), histories


@pytest.mark.torch
def test_every_entrant_has_its_folder_and_outcome(race: tuple[dict, list[History]]) -> None:
    result, histories = race
    assert [history.folder.name for history in histories] == ["race-01", "race-02", "race-03"]
    assert result["best"] == "race-01"
    assert result["differs"] == ["lr"]
    good, low, wild = result["runs"]
    assert (good["verdict"], low["verdict"], wild["verdict"]) == ("good", "low", "very high")
    assert "diverged" in wild["state"] or wild["best_val_accuracy"] < 0.5


@pytest.mark.torch
def test_they_begin_with_the_same_weights_and_batches(race: tuple[dict, list[History]]) -> None:
    _, histories = race
    assert len({float(history.steps.loss[0]) for history in histories}) == 1


@pytest.mark.torch
def test_compare_tells_what_differs(race: tuple[dict, list[History]]) -> None:
    _, histories = race
    folder = histories[0].folder.path.parent
    done = within("compare", "race-01", "race-02", "--runs", str(folder), cwd=folder, COLUMNS="160")
    assert done.returncode == 0, done.stderr
    assert "best: race-01" in done.stdout
    assert "1e-06" in done.stdout
    assert RunFolder.open(folder / "race-01").recipe.exists()


@pytest.mark.parametrize(
    ("options", "word"),
    [
        (["--lr", "1e-1"], "nothing to compare"),
        (["--lr", "1e-1,fast"], "fast"),
        (["--optimizer", "adam,adan"], "adam"),
        (["--lr", "1e-1,1e-2", "--jobs", "0"], "jobs"),
    ],
)
def test_bad_requests_are_one_line_and_exit_2(tmp_path: Path, options: list[str], word: str) -> None:
    done = within("sweep", "--runs", str(tmp_path), *options, cwd=tmp_path)
    assert done.returncode == 2
    assert word in done.stderr
    assert "Traceback" not in done.stderr
    assert not list(tmp_path.iterdir())
