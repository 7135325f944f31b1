"""`cvtui compare` on runs with long names: no name is folded or cut, however narrow the terminal."""

from __future__ import annotations

from pathlib import Path
from unittest import mock

import pytest

from cvtui.cli import out
from cvtui.recipe.recipe import Recipe
from tests.cli.running import within
from tests.tui.written_runs import WrittenRun

NAMES = ("a-rather-long-name-of-a-run-1-lr1e-3", "a-rather-long-name-of-a-run-2-lr1e-2")


@pytest.fixture
def two(tmp_path: Path) -> Path:
    for name, lr in zip(NAMES, (1e-3, 1e-2), strict=True):
        run = WrittenRun(tmp_path, name, Recipe(epochs=1, lr=lr, net="conv8-relu-gap-fc"))
        run.step(run.total)
        run.end()
        run.close()
    return tmp_path


@pytest.mark.parametrize(("width", "blocks"), [(40, True), (80, True), (120, False)])
def test_no_name_is_folded(two: Path, width: int, blocks: bool) -> None:
    made = out.console

    def console(*, stderr: bool = False) -> object:
        own = made(stderr=stderr)
        own.width = width
        return own

    with mock.patch.object(out, "console", console):
        done = within("compare", *NAMES, "--runs", str(two), cwd=two)
    assert (done.returncode, done.stderr) == (0, "")
    below = done.stdout.partition("(up: loss)")[2].splitlines()
    for name, lr in zip(NAMES, ("0.001", "0.01"), strict=True):
        (line,) = [line for line in below if line.removeprefix("● ").strip().startswith(name)]
        value = below[below.index(line) + 1] if blocks else line.partition(name)[2]
        assert lr in value.split()
        assert (line.split()[-1] == name) is blocks
