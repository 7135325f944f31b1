"""Whose a run is: what only its own script can train is never resumed, forked or repeated as something else."""

from __future__ import annotations

import contextlib
import json
import re
import time
from pathlib import Path

import pytest
import torch
from torch import nn

import cvtui as package
from cvtui.doctor import Doctor
from cvtui.errors import RequestError
from cvtui.labs.folder import LabFolder
from cvtui.runlog.events import Command
from cvtui.runlog.folder import RunFolder
from cvtui.runlog.history import History
from cvtui.runlog.origin import first_run, recipe_of
from cvtui.tui.detail.feature_map_request import unavailable_reason
from cvtui.tui.panes.log_entries import next_step
from tests.cli.running import within
from tests.engine.making import folder, history, train
from tests.waiting import wait_until


def watched(base: Path, *, save: bool) -> RunFolder:
    """Watch a user's own loop that ends in an error."""
    model = nn.Sequential(nn.Flatten(), nn.Linear(4, 2))
    optimizer = torch.optim.SGD(model.parameters(), 0.1)
    run = package.watch(model, optimizer, name="own", runs=base / "runs")

    def step() -> bool:
        loss = model(torch.ones(1, 4)).sum()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        run.step(loss=loss)
        return any(run.folder.checkpoints.iterdir())

    with contextlib.suppress(OSError), run:
        step()
        if save:
            run.folder.send(Command(command="save", time=time.time()))
            wait_until(step, what="the checkpoint")
        raise OSError("over")
    return run.folder


def forget_kind(run: RunFolder) -> None:
    """Rewrite the log as an older version wrote it."""
    lines = [json.loads(line) for line in run.events.read_bytes().splitlines()]
    for line in lines:
        line.pop("kind", None)
    run.events.write_text("".join(json.dumps(line, separators=(",", ":")) + "\n" for line in lines))


ASKED = {
    "resumed": ("resume", "own", "--no-ui"),
    "forked": ("fork", "own", "--no-ui", "--epochs", "9"),
    "repeated": ("--no-ui", "runs/own/recipe.toml"),
    "trained again": ("doctor", "own", "--fix"),
}


@pytest.mark.parametrize(("what", "old"), [*((what, False) for what in ASKED), ("resumed", True)])
def test_a_watched_run_is_refused_in_one_sentence_with_what_can_be_done(what: str, old: bool, tmp_path: Path) -> None:
    run = watched(tmp_path, save=True)
    if old:
        forget_kind(run)
    before = sorted(tmp_path.rglob("*"))
    done = within(*ASKED[what], cwd=tmp_path)
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
    assert f"'own' can't be {what} here: it is a custom training loop" in done.stderr
    line = re.search(r"in the script: (.*)\n", done.stderr)
    assert line is not None
    assert sorted(tmp_path.rglob("*")) == before, "no run was made, nothing was written"

    model = nn.Sequential(nn.Flatten(), nn.Linear(4, 2))
    with pytest.MonkeyPatch.context() as patch:  # the sentence's line does what it says
        patch.chdir(tmp_path)
        exec(line[1], {"model": model, "torch": torch})
    (path,) = run.checkpoints.glob("step-*.pt")
    assert torch.equal(model.get_parameter("1.weight"), torch.load(path, weights_only=True)["model"]["1.weight"])


def test_its_folder_is_not_sent_to_its_recipe(tmp_path: Path) -> None:
    watched(tmp_path, save=False)
    done = within("--no-ui", "runs/own", cwd=tmp_path)
    assert done.returncode == 2
    assert "cvtui attach runs/own shows it" in done.stderr
    assert "recipe.toml" not in done.stderr


def test_without_a_checkpoint_it_says_how_to_get_one(tmp_path: Path) -> None:
    watched(tmp_path, save=False)
    done = within("resume", "own", "--no-ui", cwd=tmp_path)
    assert done.returncode == 2
    assert "run the script again; while it runs, `s` in `cvtui attach` saves its weights" in done.stderr


def test_the_engine_itself_refuses_too(tmp_path: Path) -> None:
    run = watched(tmp_path, save=True)
    code, _, error = train(run, resume=True)
    assert code == 2
    assert "it is a custom training loop" in error


def test_compare_recommends_no_recipe_for_it(tmp_path: Path) -> None:
    run = watched(tmp_path, save=True)
    with open(run.events, "a", encoding="utf-8") as file:
        file.write('{"type":"epoch","epoch":1,"step":1,"time":0,"train_loss":1,"train_accuracy":1,"val_loss":0.1,'
                   '"val_accuracy":1.0,"seconds":1,"images_per_second":1}\n')  # fmt: skip
    assert train(folder(tmp_path / "runs", "ours", epochs=1))[0] == 0
    compared = within("compare", "own", "ours", cwd=tmp_path)
    (line,) = [line for line in compared.stdout.splitlines() if line.startswith("best: own")]
    assert "recipe.toml" not in line
    assert "in the script: model.load_state_dict" in line
    with open(tmp_path / "runs" / "ours" / "events.jsonl", "a", encoding="utf-8") as file:
        file.write('{"type":"epoch","epoch":9,"step":99,"time":0,"train_loss":1,"train_accuracy":1,"val_loss":0.1,'
                   '"val_accuracy":1.1,"seconds":1,"images_per_second":1}\n')  # fmt: skip
    compared = within("compare", "own", "ours", cwd=tmp_path)
    assert "to repeat it: cvtui runs/ours/recipe.toml" in compared.stdout


@pytest.mark.parametrize("old", [False, True], ids=["told", "old log"])
def test_every_room_asks_the_kind(old: bool, tmp_path: Path) -> None:
    run = watched(tmp_path, save=True)
    if old:
        forget_kind(run)
    found = history(run)
    assert found.run is not None
    assert found.run.kind == "watch"
    doctor = Doctor(found)
    doctor.update()
    assert doctor.obs.own_loop
    assert "cvtui.watch" in unavailable_reason(found)
    assert "cvtui resume" not in next_step("failed", found)
    assert "in the script" in next_step("failed", found)


def test_data_that_is_called_so_does_not_make_a_run_a_watched_one(tmp_path: Path) -> None:
    """Only the kind decides (and the text in logs that have none)."""
    run = folder(tmp_path, epochs=1)
    assert train(run)[0] == 0
    text = run.events.read_text().replace('"data":"digits"', '"data":"your own"', 1)
    run.events.write_text(text)
    first = first_run(run)
    assert first is not None
    assert (first.recipe["data"], first.kind) == ("your own", "engine")


@pytest.mark.long
def test_a_lab_is_no_training(tmp_path: Path) -> None:
    lab = LabFolder.make(tmp_path / "runs", "schedule", {})
    assert lab.start().wait(60) == 0, lab.log.read_text()
    assert first_run(lab).kind == "lab"  # type: ignore[union-attr]
    done = within("resume", str(lab.path), "--no-ui", cwd=tmp_path)
    assert done.returncode == 2
    assert "is a lab, no training: it can't be resumed; `cvtui lab schedule` runs it again" in done.stderr


@pytest.mark.parametrize("line", ["", "{", '{"type":"run"}', '{"type":"run","kind":7}', '{"type":"steps","first":0}'])
def test_a_log_that_tells_nothing_is_a_training_without_a_record(line: str, tmp_path: Path) -> None:
    run = folder(tmp_path)
    run.events.write_text(line + "\n")
    assert first_run(run) is None
    assert recipe_of(run, "resumed").epochs == 2


def test_a_kind_of_the_future_is_refused(tmp_path: Path) -> None:
    run = folder(tmp_path, epochs=1)
    assert train(run)[0] == 0
    run.events.write_text(run.events.read_text().replace('"kind":"engine"', '"kind":"other"'))
    assert History(run).poll()
    with pytest.raises(RequestError, match="can't be forked"):
        recipe_of(run, "forked")
