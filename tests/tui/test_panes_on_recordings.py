"""Every pane against runs that the engine itself recorded: what is shown is what was logged."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

from cvtui.runlog.axes import epoch_middles
from cvtui.runlog.folder import RunFolder
from cvtui.runlog.history import History
from cvtui.tui.panes.curve_pane import CurvePane
from cvtui.tui.panes.layers_table import LayersTable
from cvtui.tui.panes.registry import NAMES as PANE_NAMES
from cvtui.tui.panes.styled_lines import StyledLines
from tests.tui.live_host import LiveHost

pytestmark = pytest.mark.walked

RECORDINGS = Path(__file__).parent.parent / "recordings"
NAMES = sorted(path.name for path in RECORDINGS.iterdir() if path.is_dir())


@pytest.fixture
def folder(tmp_path: Path, request: pytest.FixtureRequest) -> RunFolder:
    name = getattr(request, "param", "digits")
    return RunFolder(Path(shutil.copytree(RECORDINGS / name, tmp_path / name)))


@pytest.mark.parametrize("folder", NAMES, indirect=True)
@pytest.mark.parametrize("size", [(80, 24), pytest.param((160, 45), marks=pytest.mark.long)])
async def test_every_pane_opens(folder: RunFolder, size: tuple[int, int]) -> None:
    app = LiveHost(folder)
    async with app.run_test(size=size) as pilot:
        await pilot.pause()
        assert app.live.history.end is not None
        assert app.live.header.text.split()[1] == app.live.history.end.status
        for name in (name for name in PANE_NAMES if app.live.pane(name).has_content(app.live.history)):
            app.live.show_pane(name)
            await pilot.pause()
            assert app.live.pane(name).is_on_screen
            assert app.live.grid.current == name


async def test_curves_are_the_logged_numbers(folder: RunFolder) -> None:
    app = LiveHost(folder)
    history = History(folder)
    history.poll()
    async with app.run_test(size=(160, 45)) as pilot:
        await pilot.pause()
        loss, accuracy, rate = (app.lines(name) for name in ("loss", "accuracy", "rate"))
        np.testing.assert_array_equal(loss["each step"].y, history.steps.loss)
        np.testing.assert_array_equal(loss["each step"].x, history.steps.step)
        np.testing.assert_array_equal(loss["validation"].y, [epoch.val_loss for epoch in history.epochs])
        np.testing.assert_array_equal(loss["validation"].x, [epoch.step for epoch in history.epochs])
        np.testing.assert_array_equal(loss["epoch mean"].y, [epoch.train_loss for epoch in history.epochs])
        np.testing.assert_array_equal(loss["epoch mean"].x, epoch_middles(history))
        np.testing.assert_array_equal(accuracy["validation"].y, [epoch.val_accuracy for epoch in history.epochs])
        np.testing.assert_array_equal(rate["done"].y, history.steps.lr)
        await pilot.press("m", "m", "m")
        np.testing.assert_array_equal(app.lines("loss")["training"].y, history.steps.loss)


async def test_what_was_done_is_marked_with_its_words(folder: RunFolder) -> None:
    app = LiveHost(folder)
    async with app.run_test(size=(160, 45)) as pilot:
        await pilot.pause()
        for name in ("loss", "accuracy", "rate"):
            pane = app.live.pane(name)
            assert isinstance(pane, CurvePane)
            marks = {mark.x: mark.words for mark in pane.plot.marks}
            assert marks == {68.0: "paused, resumed, rate 0.00102 → 0.0005", 108.0: "saved at step 108"}
        await pilot.press("a")
        pane = app.live.pane("loss")
        assert isinstance(pane, CurvePane)
        assert [mark.x for mark in pane.plot.marks] == [68 / 23, 108 / 23]


async def test_the_guide_is_ln_c(folder: RunFolder) -> None:
    app = LiveHost(folder)
    async with app.run_test(size=(160, 45)) as pilot:
        await pilot.pause()
        pane = app.live.pane("loss")
        assert isinstance(pane, CurvePane)
        (guide,) = pane.plot.guides
        assert guide.y == pytest.approx(np.log(10))
        assert guide.words == "ln 10 = 2.303"


async def test_the_prediction_stands_beside_what_came(folder: RunFolder) -> None:
    app = LiveHost(folder)
    async with app.run_test(size=(160, 45)) as pilot:
        await pilot.pause()
        text = app.live.pane("prediction").query_one(StyledLines).text.splitlines()
        lines = {line.split("  ")[0]: line for line in text}
        assert lines["steps per epoch"].split()[3:] == ["23", "23", "✓"]
        assert lines["parameters"].rstrip().endswith("✓")
        rows = app.live.pane("layers").query_one(LayersTable).rows
        for row in rows:
            if row.stats is not None:
                assert row.predicted_std is not None
                assert row.name in lines
                assert lines[row.name].rstrip().endswith("✓")


@pytest.mark.parametrize("folder", ["diverged"], indirect=True)
async def test_a_loss_that_is_not_finite_is_seen(folder: RunFolder) -> None:
    app = LiveHost(folder)
    async with app.run_test(size=(120, 35)) as pilot:
        await pilot.pause()
        pane = app.live.pane("loss")
        assert isinstance(pane, CurvePane)
        assert "not finite" in pane.plot.text
        assert "infinite" in app.live.header.text
