"""`cvtui launch`: a line for each machine, which a shell takes as it is printed."""

from __future__ import annotations

import shlex
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from cvtui.cli.commands.launch import launch

RECIPE = 'net = "conv4-relu-pool-fc"\nbatch_size = 32\nmax_restarts = 2\n'


@pytest.fixture
def recipe(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.chdir(tmp_path)
    Path("recipe.toml").write_text(RECIPE)
    return "recipe.toml"


def typed(*words: str) -> Result:
    return CliRunner().invoke(launch, [*words, "--runs", "it's here"])


def lines(result: Result) -> list[list[str]]:
    assert result.exit_code == 0, result.output
    return [shlex.split(line) for line in result.output.splitlines() if line.startswith("torchrun ")]


def test_each_machine_has_its_line(recipe: str) -> None:
    found = lines(typed(recipe, "--nnodes", "3", "--nproc", "2", "--host", "node1:29500"))
    assert [next(word for word in line if "--node-rank" in word) for line in found] == [
        f"--node-rank={node}" for node in range(3)
    ]
    for line in found:
        assert {"--nnodes=3", "--nproc-per-node=2", "--max-restarts=2", "--master-addr=node1"} <= set(line)
        assert "--master-port=29500" in line
        assert line[-3:] == ["-m", "cvtui.engine", str(Path("it's here", "digits-1").absolute())]
    many = typed(recipe, "--nnodes", "20", "--host", "node1")
    assert len(lines(many)) == 2
    assert "… and so on, to --node-rank=19." in many.output
    assert lines(typed(recipe, "--nnodes", "1"))[0][1] == "--standalone"


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--host", "a b"), "--host: 'a b' is not a machine"),
        (("--host", "::1"), "--host: '::1' is not a machine"),
        (("--host", "node1:99999"), "--host: 'node1:99999' is not a machine"),
        (("--nnodes", "20", "--nproc", "2"), "--nnodes: a batch of 32 can't be cut over 20 x 2 processes"),
    ],
)
def test_what_is_refused_leaves_no_run_folder(words: tuple[str, ...], message: str, recipe: str) -> None:
    found = typed(recipe, *words)
    assert message in str(found.exception)
    assert not Path("it's here").exists()
