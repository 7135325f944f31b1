"""Looking changes nothing: the losses of a run are bit-equal with the screen attached, with every pane opened in turn,
without it, and with the layers not watched at all."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from cvtui.recipe import Recipe, dumps
from cvtui.runlog import History, RunFolder
from cvtui.runlog.launch import launch
from cvtui.tui.app import CvtuiApp
from cvtui.tui.live import LiveView
from cvtui.tui.live.plan import PANES
from tests.waiting import wait_until, wait_until_async

RECIPE = Recipe(
    net="[(conv8-bn-relu)*2-pool]*2-drop0.3-fc",
    epochs=40,
    batch_size=32,
    threads=1,
    device="cpu",
    watch_every=2,
    seed=7,
)
"""Dropout and batch statistics: whatever drew a random number or ran a batch twice would show in the losses."""


def start(base: Path, name: str, recipe: Recipe = RECIPE) -> RunFolder:
    folder = RunFolder.create(base, name, dumps(recipe))
    launch(folder, detached=True)
    return folder


def ended(folder: RunFolder) -> History:
    """Its history, once the run is over."""
    history = History(folder)
    wait_until(lambda: history.poll() and history.end is not None, 150, f"the end of {folder.name}")
    assert history.end is not None
    assert history.end.status == "finished", history.end
    return history


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory) -> History:
    """The run that nobody looks at."""
    return ended(start(tmp_path_factory.mktemp("alone"), "alone"))


def same(one: History, other: History) -> None:
    assert one.steps_done == other.steps_done == 40 * 45
    for name in ("loss", "accuracy", "lr"):
        assert one.steps.column(name).tobytes() == other.steps.column(name).tobytes(), name
    for first, second in zip(one.epochs, other.epochs, strict=True):
        for name in ("train_loss", "val_loss", "val_accuracy", "confusion"):
            assert getattr(first, name) == getattr(second, name), name


async def test_a_run_with_every_pane_and_place_opened_in_turn(alone: History, tmp_path: Path) -> None:
    folder = start(tmp_path, "watched")
    app = CvtuiApp(runs=tmp_path, attach=folder.path)
    async with app.run_test(size=(80, 24)) as pilot:
        await wait_until_async(lambda: list(app.screen.query(LiveView)), 30, "the view of the run")
        view = app.screen.query_one(LiveView)
        await wait_until_async(lambda: view.history.steps_done > 0, 60, "the first steps")

        async def look() -> None:
            """Stays until the run has gone on below what is shown."""
            before = view.history.steps_done
            history = History(folder)
            await wait_until_async(lambda: history.poll() and history.steps_done > before, 60, "more steps")
            assert view.history.end is None, "the run must outlast the tour: give it more epochs"
            await pilot.pause()

        for pane in PANES:
            view.show_pane(pane)
            await look()
        for key in ("a", "y", "m", "z", "z", "v", "escape"):  # axes, smoothing, one pane alone, an explanation
            await pilot.press(key)
            await pilot.pause()
        for size in ((160, 45), (240, 70), (100, 30)):
            await pilot.resize_terminal(*size)
            await look()
        for place in ("2", "3", "4", "1"):
            await pilot.press(place)
            await pilot.pause()
        await look()
        await wait_until_async(lambda: view.history.end is not None, 150, "the end of the run")
    same(alone, ended(folder))


def test_a_run_whose_layers_are_not_watched(alone: History, tmp_path: Path) -> None:
    recipe = msgspec.structs.replace(RECIPE, watch_every=0)
    unwatched = ended(start(tmp_path, "unwatched", recipe))
    assert len(alone.layer_steps) == 900
    assert len(unwatched.layer_steps) == 0
    same(alone, unwatched)
