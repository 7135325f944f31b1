"""Real pixels: only where the library and the terminal have them, and nothing of it before the Pictures are opened."""

from __future__ import annotations

import importlib.util
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from cvtui.recipe.recipe import Recipe
from cvtui.recipe.toml import dumps
from cvtui.runlog.events import PictureSaved, RunEnded, RunStarted
from cvtui.runlog.folder import RunFolder
from cvtui.runlog.writer import EventWriter
from cvtui.tui.app import CvtuiApp
from cvtui.tui.detail.picture_box import PictureBox, enlarged
from cvtui.tui.detail.pictures_view import PicturesView
from cvtui.tui.train import LiveView
from tests.cli.terminal import Terminal
from tests.waiting import wait_until, wait_until_async


@pytest.fixture
def run(tmp_path: Path) -> RunFolder:
    """Write a run that is over, with one picture."""
    folder = RunFolder.create(tmp_path / "runs", "run", dumps(Recipe()))
    Image.fromarray(np.arange(75, dtype=np.uint8).reshape(5, 5, 3) * 3).save(folder.pictures / "filters.png")
    with EventWriter(folder) as writer:
        writer.write(
            RunStarted(
                time=time.time(), recipe={}, layers=[], parameters=0, steps_per_epoch=1, total_steps=1, device="cpu",
                threads=1, libraries={}, data={"input": [2]},
            )
        )  # fmt: skip
        writer.write(PictureSaved(step=1, name="filters of conv1", path="pictures/filters.png", note="5 filters"))
        writer.write(RunEnded(time=time.time(), step=1, status="finished"))
    return folder


def test_pictures_are_enlarged_by_whole_numbers() -> None:
    image = np.random.default_rng(0).integers(0, 255, (3, 5, 3), dtype=np.uint8)
    big = np.asarray(enlarged(image, 24, 100))
    assert big.shape == (12, 20, 3)
    assert np.array_equal(big[::4, ::4], image)
    assert np.array_equal(big[3::4, 3::4], image)
    assert np.asarray(enlarged(np.zeros((300, 100, 3), np.uint8), 50, 60)).shape == (60, 20, 3)


async def test_where_there_are_none_half_blocks_stay(run: RunFolder) -> None:
    """A test has no terminal: the key says why nothing changes, and nothing was imported."""
    app = CvtuiApp(runs=run.path.parent, attach=run.path, prewarm=False)
    async with app.run_test(size=(80, 24)) as pilot:
        await wait_until_async(lambda: app.screen.query(LiveView) and app.screen.query_one(LiveView).history.end)
        await pilot.press("i")
        view = app.screen
        assert isinstance(view, PicturesView)
        await pilot.press("I")
        assert view.query_one("#shown", PictureBox).pixels is None
        assert view.query_one("#shown RasterView").display
        assert any("pixels" in one.message or "terminal" in one.message for one in app._notifications)
    if "textual_image" in sys.modules:  # by another test
        return
    assert not [name for name in sys.modules if name.startswith("textual_image")]


async def test_without_the_library_it_is_said_how_to_get_it(run: RunFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whether it is installed or not: it can't be found here."""
    find, before = importlib.util.find_spec, set(sys.modules)
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name, *more: None if "textual_image" in name else find(name, *more)
    )
    app = CvtuiApp(runs=run.path.parent, attach=run.path, prewarm=False)
    async with app.run_test(size=(80, 24)) as pilot:
        await wait_until_async(lambda: app.screen.query(LiveView) and app.screen.query_one(LiveView).history.end)
        await pilot.press("i", "I")
        said = [one.message for one in app._notifications]
    assert said[-1] == "Real pixels need the library textual-image: pip install 'cvtui[images]'"
    assert not [name for name in {*sys.modules} - before if name.startswith("textual_image")]


class SixelTerminal(Terminal):
    """Answers what the library asks: sixels, and characters of 10 x 20 pixels."""

    def answer(self, piece: str) -> None:
        if "\x1b[c" in piece:
            self.type("\x1b[?62;4;22c")
        if "\x1b[16t" in piece:
            self.type("\x1b[6;20;10t")


@pytest.mark.skipif(importlib.util.find_spec("textual_image") is None, reason="needs the library textual-image")
def test_a_terminal_with_sixels_gets_them(run: RunFolder) -> None:
    with SixelTerminal("attach", "run", "--runs", str(run.path.parent), cwd=run.path.parent) as terminal:
        terminal.shows("finished")
        assert "\x1b[c" not in terminal.said, "nobody has asked the terminal yet"
        terminal.type("i")
        wait_until(lambda: "\x1bP" in terminal.said, what="a sixel picture")
        before = len(terminal.said)
        terminal.type("x")
        wait_until(lambda: "          \x1b[0m\x1b[48;5;" in terminal.said[before:], what="the same in characters")
        before = len(terminal.said)
        terminal.type("x")
        wait_until(lambda: "\x1bP" in terminal.said[before:], what="the sixel picture again")
        assert terminal.said.count("\x1b[c") == 1, "it was asked once"
        terminal.type("\x1b")
        terminal.type("\x11")
        assert terminal.end() == 0
        assert "Traceback" not in terminal.said
