"""`cvtui export --safetensors`, read back by the library that others use."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
import torch

from cvtui.cli.follow import _pass_on
from cvtui.runlog.folder import RunFolder
from cvtui.runlog.fork import checkpoint_file
from cvtui.runlog.tail import Tail
from tests.cli.running import within
from tests.engine.making import folder, train


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> RunFolder:
    run = folder(tmp_path_factory.mktemp("runs"), "done", net="conv4s2-bn-relu-fc", keep="last,best,every=1")
    assert train(run)[0] == 0
    return run


NAMED = pytest.param(["--checkpoint", "epoch-0001"], "epoch-0001.pt", marks=pytest.mark.long)


@pytest.mark.parametrize(("words", "name"), [([], "best.pt"), NAMED])
def test_the_weights_are_those_of_the_checkpoint(done: RunFolder, tmp_path: Path, words: list[str], name: str) -> None:
    from safetensors import safe_open
    from safetensors.torch import load_file

    path = tmp_path / "out" / "weights.safetensors"
    found = within("export", str(done.path), "--safetensors", str(path), *words, cwd=tmp_path)
    assert (found.returncode, found.stderr) == (0, "")
    assert name in found.stdout
    model = torch.load(done.checkpoints / name, weights_only=True)["model"]
    read = load_file(path)
    assert read.keys() == model.keys()
    assert all(torch.equal(value, model[key]) for key, value in read.items())
    with safe_open(path, "pt") as file:
        assert json.loads(file.metadata()["recipe"])["net"] == "conv4s2-bn-relu-fc"
        assert len(json.loads(file.metadata()["classes"])) == 10
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == [
        "weights.safetensors",
        "weights_safetensors.py",
    ]


def test_what_is_not_there_is_one_line(done: RunFolder, tmp_path: Path) -> None:
    found = within("export", str(done.path), "--safetensors", "x", "--checkpoint", "epoch-9", cwd=tmp_path)
    assert found.returncode == 2
    assert "epoch-0001.pt" in found.stderr
    assert len(found.stderr.splitlines()) == 1
    empty = folder(tmp_path, "empty")
    found = within("export", str(empty.path), "--safetensors", "x", cwd=tmp_path)
    assert found.returncode == 2
    assert "has no checkpoint" in found.stderr


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--net", "conv8-fc", "--no-ui"), "--net: a fork keeps the net of its run (conv4s2-bn-relu-fc); cvtui "),
        (("--only", "1,2", "--no-ui"), "--only: a fork keeps the classes of its run (all of its data); cvtui "),
        (("--epochs", "9", "--freeze", "conv9.*", "--no-ui"), "--freeze: 'conv9.*' freezes no parameter of this net"),
        (("--epochs", "9"), "the screen needs a terminal, and this is none; --no-ui trains without a screen"),
    ],
)
def test_a_fork_says_what_it_keeps(done: RunFolder, tmp_path: Path, words: tuple[str, ...], said: str) -> None:
    found = within("fork", str(done.path), *words, cwd=tmp_path)
    assert (found.returncode, found.stdout) == (2, "")
    (line,) = found.stderr.splitlines()
    assert said in line
    if words[0] != "--epochs":
        assert line.endswith("trains a new run")
        assert str(done.recipe) in line
    assert list(tmp_path.iterdir()) == []


def test_a_wrong_rate_is_told_before_anything_starts(done: RunFolder, tmp_path: Path) -> None:
    found = within("resume", str(done.path), "--no-ui", "--lr", "fast", cwd=tmp_path)
    assert found.returncode == 2
    assert "--lr: 'fast' is no rate" in found.stderr


def test_without_best_and_last_the_newest_epoch_is_meant_and_never_what_the_parent_had(tmp_path: Path) -> None:
    run = folder(tmp_path, "forked")
    for names in (("start",), ("epoch-9999", "step-000012"), ("epoch-10000",), ("last",), ("best",)):
        for name in names:
            (run.checkpoints / f"{name}.pt").touch()
        assert checkpoint_file(run).stem == names[0]


def test_a_resume_without_a_terminal_leaves_the_recipe_as_it_was(done: RunFolder, tmp_path: Path) -> None:
    """--nproc was written into it before the screen was refused."""
    before = done.recipe.read_text()
    done.recipe.write_text(re.sub(r"\nepochs = \d+", "\nepochs = 99", before))
    edited = done.recipe.read_text()
    found = within("resume", str(done.path), "--nproc", "2", cwd=tmp_path)
    assert done.recipe.read_text() == edited != before
    done.recipe.write_text(before)
    assert (found.returncode, found.stdout) == (2, "")
    assert "the screen needs a terminal, and this is none; --no-ui resumes without a screen" in found.stderr


def test_records_that_are_passed_on_command_no_terminal(tmp_path: Path, capfdbinary: Any) -> None:
    path = tmp_path / "events.jsonl"
    path.write_bytes('{"a":"é \u202e\x9b2J"}\n{"b":1}\n'.encode())
    _pass_on(Tail(path))
    assert capfdbinary.readouterr().out == '{"a":"é \\u202e\\u009b2J"}\n{"b":1}\n'.encode()
