"""A user's own modules are found in the working directory, and never stand in for Python's or PyTorch's."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from cvtui.engine.runtime.user_code import import_user_module
from cvtui.own_python import own_module
from tests.cli.running import environment


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    before = set(sys.modules)
    yield tmp_path
    for name in set(sys.modules) - before:
        if str(tmp_path) in str(getattr(sys.modules[name], "__file__", "")):
            del sys.modules[name]


def write(folder: Path, **files: str) -> None:
    for name, text in files.items():
        (folder / f"{name}.py").write_text(text)


def test_a_module_with_its_neighbours_is_found_here_and_first(here: Path) -> None:
    write(here, mine_a="import click, helpers_of_mine\nvalue = (click.mine, helpers_of_mine.value)",
          helpers_of_mine="value = 7")  # fmt: skip
    loaded = {name: sys.modules.pop(name) for name in list(sys.modules) if name.partition(".")[0] == "click"}
    try:
        write(here, click="mine = 5")  # not Python's own, and not loaded yet: the user's, as in any script
        assert import_user_module("mine_a").value == (5, 7)
    finally:
        sys.modules.pop("click", None)
        sys.modules.update(loaded)
    assert sys.path[-1] == str(here)


def test_python_s_own_modules_stay_python_s(here: Path) -> None:
    write(here, mine_b="import this_is_mine, colorsys\nvalue = colorsys.__file__", colorsys="1/0", this_is_mine="")
    sys.modules.pop("colorsys", None)
    assert str(here) not in import_user_module("mine_b").value


def test_a_name_that_is_taken_is_said(here: Path) -> None:
    write(here, random="def build(): ...")
    with pytest.raises(
        ImportError, match=r"'random' is the name of a module that Python or PyTorch uses: rename .*/random.py"
    ):
        import_user_module("random")


def test_a_folder_of_images_called_like_a_library_hides_nothing(here: Path) -> None:
    (here / "colorama_or_so").mkdir()
    write(here, mine_c="import pyte\nvalue = pyte.__file__")
    (here / "pyte").mkdir()
    pytest.importorskip("pyte")
    sys.modules.pop("pyte", None)
    assert str(here) not in str(import_user_module("mine_c").value)


def test_an_error_of_the_module_leaves_no_finder_behind(here: Path) -> None:
    before = list(sys.meta_path)
    write(here, mine_d="1/0")
    with pytest.raises(ZeroDivisionError):
        import_user_module("mine_d")
    with pytest.raises(ModuleNotFoundError):
        import_user_module("mine_e")
    assert sys.meta_path == before


def test_our_processes_take_nothing_from_the_working_directory() -> None:
    assert own_module("cvtui.engine", "--warm") == [sys.executable, "-P", "-m", "cvtui.engine", "--warm"]


@pytest.mark.torch
def test_a_run_among_files_called_like_python_s_own_trains_with_a_net_of_the_user(tmp_path: Path) -> None:
    names = ("random", "torch", "json", "numpy", "queue", "code", "click", "msgspec", "cvtui")
    write(tmp_path, **dict.fromkeys(names, "raise SystemExit('the wrong ' + __name__)"))
    write(tmp_path, mine="from torch import nn\ndef build(num_classes): "
          "return nn.Sequential(nn.Flatten(), nn.Linear(64, num_classes))")  # fmt: skip
    script = "import sys; from cvtui.cli.main import main; main()"  # as the installed `cvtui` does
    words = ["--no-ui", "--net", "mine:build", "--epochs", "1", "--threads", "1", "--device", "cpu"]
    done = subprocess.run(
        [sys.executable, "-P", "-c", script, *words], cwd=tmp_path, env=environment(), capture_output=True, text=True,
        check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    assert "finished" in done.stdout
