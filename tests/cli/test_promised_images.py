"""A folder with a file that is no image: what is promised before it is opened, and what comes, are never at odds."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from cvtui.cli.main import main
from cvtui.recipe.datasets.facts import facts
from cvtui.recipe.datasets.image_folder import listing
from cvtui.recipe.fields import FIELDS
from cvtui.recipe.recipe import Recipe
from cvtui.recipe.validation import check
from cvtui.runlog.events import RunStarted
from cvtui.runlog.folder import RunFolder
from cvtui.runlog.history import History
from cvtui.tui.form.preview import _numbers
from cvtui.tui.form.validation import validate
from cvtui.tui.panes.prediction import compare
from cvtui.tui.panes.predictions import predict
from tests.engine_within import engines_within


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    """Two classes with 41 files each, 33 of each to train on; two of these are texts.

    66 / 16 are 5 steps, 64 / 16 are 4.
    """
    random = np.random.default_rng(0)
    for name in ("cat", "dog"):
        folder = tmp_path / "pics" / name
        folder.mkdir(parents=True)
        for number in range(41):
            Image.fromarray(random.integers(0, 255, (8, 8, 3), np.uint8)).save(folder / f"{number:03}.png")
    for path, _ in listing(tmp_path / "pics", 0.2).train[::40]:
        Path(path).write_text("this is no image")
    return tmp_path / "pics"


def recipe(pictures: Path) -> list[str]:
    words = f"--data folder:{pictures} --size 8 --net conv4-relu-fc --batch-size 16 --epochs 1 --device cpu --threads 1"
    return words.split()


def texts(**changes: str) -> dict[str, str]:
    """Return the texts in the form's fields."""
    return {name: str(getattr(Recipe(), name)) for name in FIELDS} | changes


def said(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, str, str]:
    with engines_within(), pytest.raises(SystemExit) as ended:
        main(list(words))
    out, err = capsys.readouterr()
    return int(ended.value.code or 0), out, err


@pytest.mark.torch
def test_data_tells_what_could_be_read(pictures: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = said(capsys, "data", f"folder:{pictures}")
    assert code == 0
    assert "82 image files in 2 folders" in out
    assert "64 to train on, 16 for validation" in out
    assert "left out 2 files that can't be read" in out
    rows = [tuple(map(int, row)) for row in re.findall(r"^  (?:cat|dog) +(\d+) +(\d+)$", out, re.MULTILINE)]
    assert tuple(map(sum, zip(*rows, strict=True))) == (64, 16)
    code, out, _ = said(capsys, "data", f"folder:{pictures}", "--json")
    told = json.loads(out)
    assert (
        (told["train"], told["validation"]) == (sum(told["train_counts"]), sum(told["validation_counts"])) == (64, 16)
    )


@pytest.mark.torch
def test_the_form_and_the_command_line_promise_at_most(
    pictures: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    checked = check(Recipe(data=f"folder:{pictures}", size="8", net="conv4-relu-fc", batch_size=16, epochs=1))
    assert checked.steps_per_epoch == 5
    draft = validate(texts(data=f"folder:{pictures}", size="8", net="conv4-relu-fc", batch_size="16", epochs="3"))
    numbers = {name: value for name, value, _ in _numbers(draft, draft.table, None)}
    assert (numbers["steps per epoch"], numbers["steps in all"]) == ("at most 5", "at most 15")
    code, out, err = said(
        capsys, "--no-ui", *recipe(pictures), "--runs", str(tmp_path / "runs"), "--name", "made", "--seed", "0"
    )
    assert code == 0
    assert "at most 66 + 16 images" in out + err
    assert "1 epoch of at most 5 steps = at most 5 steps" in out + err
    history = History(RunFolder.open(tmp_path / "runs" / "made"))
    history.poll()
    assert isinstance(history.run, RunStarted)
    assert (history.run.steps_per_epoch, history.steps_done, history.run.data["train"]) == (4, 4, 64)
    lines = {line.what: line for line in compare(history, predict(history))}
    assert (lines["steps per epoch"].predicted, lines["steps per epoch"].agree) == ("≤ 5", True)
    schedule = predict(history).schedule
    assert schedule is not None
    assert schedule.total_steps == history.run.total_steps


def test_what_is_known_is_promised_plainly() -> None:
    assert facts(Recipe(data="digits")).at_most == ""
    draft = validate(texts(data="digits"))
    assert "at most" not in str(_numbers(draft, draft.table, None))
