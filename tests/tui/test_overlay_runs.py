"""Other runs drawn over the one in view, the values of one moment, and the best epochs."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from textual.widgets import SelectionList

from cvtui.runlog.events import EpochDone
from cvtui.runlog.folder import RunFolder
from cvtui.tui.panes.curve_pane import CurvePane
from cvtui.tui.panes.values import best_epochs, nearest_epoch
from cvtui.tui.train.overlay_runs import OverlayModal
from tests.tui.live_host import LiveHost
from tests.tui.written_runs import WrittenRun, finished_run
from tests.waiting import wait_until_async

pytestmark = pytest.mark.walked


@dataclass
class Runs:
    shown: RunFolder
    other: WrittenRun


@pytest.fixture
def runs(tmp_path: Path) -> Iterator[Runs]:
    shown = finished_run(tmp_path, "shown")
    other = WrittenRun(tmp_path, "other")
    other.step(50)
    with other.folder.lock():
        yield Runs(shown, other)
    other.close()


def epoch(number: int, accuracy: float | None, loss: float | None = None) -> EpochDone:
    return EpochDone(
        epoch=number, step=10 * number, time=0.0, train_loss=1.0, train_accuracy=None, val_loss=loss,
        val_accuracy=accuracy, seconds=1.0, images_per_second=1.0, best=False,
    )  # fmt: skip


# ---------------------------------------------------------------------- the best epochs


@given(st.lists(st.sampled_from([0.1, 0.2, 0.5, 0.9, 0.99]), max_size=2000), st.integers(1, 9))
def test_no_best_epoch_is_lost(accuracies: list[float], most: int) -> None:
    epochs = [epoch(number, accuracy) for number, accuracy in enumerate(accuracies, 1)]
    random.Random(1).shuffle(epochs)
    best = best_epochs(epochs, most)
    assert [record.val_accuracy for record in best] == sorted(accuracies, reverse=True)[:most]
    for first, second in pairwise(best):
        assert first.val_accuracy != second.val_accuracy or first.epoch < second.epoch


def test_without_an_accuracy_the_lowest_loss_counts() -> None:
    epochs = [epoch(1, None, 0.5), epoch(2, None, 0.2), epoch(3, None, None), epoch(4, None, 0.3)]
    assert [record.epoch for record in best_epochs(epochs)] == [2, 4, 1]
    assert best_epochs([]) == []


def test_the_nearest_epoch_may_lie_ahead() -> None:
    epochs = [epoch(1, 0.1), epoch(2, 0.2)]
    assert [found.epoch for step in (0, 14, 15, 16, 99) if (found := nearest_epoch(epochs, step))] == [1, 1, 1, 2, 2]
    assert nearest_epoch([], 3) is None


# ---------------------------------------------------------------------- the numbers of one moment


async def test_the_table_tells_the_logged_numbers_under_the_cursor(runs: Runs) -> None:
    app = LiveHost(runs.shown)
    async with app.run_test(size=(160, 45)) as pilot:
        await pilot.pause()
        app.live.show_step(167)
        await pilot.pause()
        assert app.live.grid.current == "loss"
        assert app.live.pane("values").is_on_screen
        steps, nearest = app.live.history.steps, app.live.history.epochs[6]
        text = app.text("values").splitlines()
        assert text[0] == "step 167"
        told = {line.strip()[:18].strip(): line[20:].split()[0] for line in text if line.startswith("  ")}
        assert float(told["training loss"]) == pytest.approx(steps.loss[167], rel=0.01)
        assert float(told["learning rate"]) == pytest.approx(steps.lr[167], rel=0.01)
        assert float(told["gradient norm"]) == pytest.approx(steps.grad_norm[167], rel=0.01)
        assert f"nearest epoch: {nearest.epoch}, at step {nearest.step}" in text
        assert float(told["validation loss"]) == pytest.approx(nearest.val_loss, rel=0.01)
        assert [line.split()[-6] for line in text if " step " in line and "loss" in line] != []
        await pilot.press("end")
        await wait_until_async(
            lambda: app.text("values").startswith("step 344, the last one"), what="the run as it is now"
        )


# ---------------------------------------------------------------------- other runs


async def test_a_chosen_run_is_drawn_with_its_own_colour_and_grows(runs: Runs) -> None:
    app = LiveHost(runs.shown)
    async with app.run_test(size=(160, 45)) as pilot:
        await pilot.press("o")
        assert isinstance(app.screen, OverlayModal)
        await pilot.press("space", "escape")
        await pilot.pause()
        assert app.live.overlay_runs.names == ["other"]
        loss, accuracy = app.lines("loss"), app.lines("accuracy")
        assert loss["other"].color == accuracy["other"].color
        assert loss["other"].color not in {line.color for name, line in loss.items() if not name.startswith("other")}
        assert len(loss["other: training"].x) == 50
        assert loss["other"].x.tolist() == [23, 46]
        runs.other.step(30)
        await wait_until_async(lambda: len(app.lines("loss")["other: training"].x) == 80, what="the other run's steps")
        assert app.lines("accuracy")["other"].x.tolist() == [23, 46, 69]
        app.live.show_pane("values")
        await pilot.pause()
        assert "drawn over it: the best of each" in app.text("values")
        await pilot.press("a", "a", "a")
        np.testing.assert_allclose(app.lines("loss")["other"].x, [0.23, 0.46, 0.69])
        await pilot.press("o", "delete", "o")
        await pilot.pause()
        assert app.live.overlay_runs.names == []
        assert "other" not in app.lines("loss")


async def test_no_more_runs_than_colours(tmp_path: Path) -> None:
    shown = finished_run(tmp_path, "shown")
    for number in range(7):
        run = WrittenRun(tmp_path, f"run-{number}")
        run.step(30)
        run.end()
    app = LiveHost(shown)
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.press("o")
        app.screen.query_one(SelectionList).select_all()
        await pilot.pause()
        await pilot.press("escape")
        await pilot.pause()
        assert len(app.live.overlay_runs.names) == 5
        assert len({other.color for other in app.live.view.overlays}) == 5


async def test_an_exploded_run_does_not_flatten_the_others(tmp_path: Path) -> None:
    shown = finished_run(tmp_path, "shown")
    run = WrittenRun(tmp_path, "exploded")
    run.step(5)
    run.step(5, loss=1e20)
    run.end("diverged")
    app = LiveHost(shown)
    async with app.run_test(size=(160, 45)) as pilot:
        await pilot.press("o", "space", "escape")
        await pilot.pause()
        pane = app.live.pane("loss")
        assert isinstance(pane, CurvePane)
        assert "e20" not in pane.plot.text
        assert "exploded: training" in app.lines("loss")


async def test_alone_in_its_folder_there_is_nothing_to_draw(tmp_path: Path) -> None:
    app = LiveHost(finished_run(tmp_path, "shown"))
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.press("o")
        assert isinstance(app.screen, OverlayModal)
        assert not app.screen.query(SelectionList)
        await pilot.press("escape")
        assert app.live.overlay_runs.names == []
