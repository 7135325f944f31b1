"""`cvtui export --safetensors`, read back by the library that others use."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from cvtui.runlog.folder import RunFolder
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
