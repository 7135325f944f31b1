"""A new pane is its own file and its entry in the registry: tried on a copy of the package."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import cvtui

TESTS = Path(__file__).resolve().parent.parent

PANE = '''"""The throughput pane: seconds of each epoch."""

from __future__ import annotations

from typing import TYPE_CHECKING

from textual.app import ComposeResult
from textual.widgets import Static

from cvtui.tui.panes.pane import Pane
from cvtui.tui.panes.view_state import ViewState

if TYPE_CHECKING:
    from cvtui.runlog.history import History


class ThroughputPane(Pane):
    NAME = "throughput"
    TITLE = "Throughput"
    SLOT = "tables"

    def compose(self) -> ComposeResult:
        yield Static()

    def draw(self, history: History, view: ViewState) -> None:
        lines = [f"epoch {done.epoch}: {done.images_per_second:.0f} images/s" for done in history.epochs]
        self.query_one(Static).update("\\n".join(lines))
'''
IMPORT = "from cvtui.tui.panes.throughput import ThroughputPane\n"
ENTRY = "    ThroughputPane,\n"

SHOW = """
import asyncio, sys
from pathlib import Path

import cvtui
from cvtui.tui.app import CvtuiApp
from cvtui.tui.train import LiveView
from tests.waiting import wait_until_async

async def main(width, height):
    app = CvtuiApp(attach=Path(sys.argv[1]), prewarm=False)
    async with app.run_test(size=(width, height)) as pilot:
        await wait_until_async(lambda: list(app.screen.query(LiveView)), what="the run")
        live = app.screen.query_one(LiveView)
        await wait_until_async(lambda: live.history.end is not None, what="its log")
        while live.grid.current != "throughput":
            await pilot.press("tab")
        await pilot.pause()
        print("\\n".join(strip.text for strip in app.screen._compositor.render_strips()))

print(cvtui.__file__)
asyncio.run(main(int(sys.argv[2]), int(sys.argv[3])))
"""


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """Copy the package, with one file and one entry of the registry more."""
    ignore = shutil.ignore_patterns("__pycache__")
    package = Path(shutil.copytree(Path(cvtui.__file__).parent, tmp_path / "copy" / "cvtui", ignore=ignore))
    (package / "tui" / "panes" / "throughput.py").write_text(PANE, encoding="utf-8")
    registry = package / "tui" / "panes" / "registry.py"
    text = registry.read_text(encoding="utf-8")
    last_import = text.rindex("from cvtui.")
    text = text[:last_import] + IMPORT + text[last_import:]
    registry.write_text(text.replace("    PredictionPane,\n", "    PredictionPane,\n" + ENTRY), encoding="utf-8")
    (package.parent / "assets").symlink_to(TESTS.parent / "assets")
    return package.parent


@pytest.mark.parametrize("size", [("80", "24"), ("160", "45")])
def test_a_new_pane_is_a_file_and_a_line(copy: Path, tmp_path: Path, size: tuple[str, str]) -> None:
    run = shutil.copytree(TESTS / "recordings" / "digits", tmp_path / "digits")
    environment = os.environ | {"PYTHONPATH": f"{copy}{os.pathsep}{TESTS.parent}", "XDG_CONFIG_HOME": str(tmp_path)}
    shown = subprocess.run(
        [sys.executable, "-c", SHOW, str(run), *size],
        env=environment,
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert shown.returncode == 0, shown.stderr
    where, _, screen = shown.stdout.partition("\n")
    assert Path(where).is_relative_to(copy), "the copy was imported"
    assert "Throughput" in screen
    assert " images/s" in screen.partition("epoch 1: ")[2].partition("\n")[0]
