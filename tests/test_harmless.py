"""Losses of a run are bit-equal with the screen attached, with every pane opened in turn, and without it.

That watching changes nothing either is tested in tests/engine/test_run.py.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from unittest import mock

import pytest

from cvtui.engine.train.control import Control
from cvtui.recipe.recipe import Recipe
from cvtui.recipe.toml import dumps
from cvtui.runlog.events import Command
from cvtui.runlog.folder import RunFolder
from cvtui.runlog.history import History
from cvtui.runlog.worker_process import launch
from cvtui.tui.app import CvtuiApp
from cvtui.tui.panes.registry import NAMES
from cvtui.tui.screens.base import SCREENS
from cvtui.tui.train import LiveView
from tests.waiting import wait_until, wait_until_async

RECIPE = Recipe(
    net="[(conv8-bn-relu)*2-pool]*2-drop0.3-fc",
    epochs=1000,
    batch_size=32,
    threads=1,
    device="cpu",
    watch_every=2,
    seed=7,
)
"""Dropout and batch statistics: whatever drew a random number or ran a batch twice would show in the losses.

It is longer than anybody waits for: each run is stopped, and what all of them did is compared."""


def start(base: Path, name: str, recipe: Recipe = RECIPE) -> RunFolder:
    folder = RunFolder.create(base, name, dumps(recipe))
    launch(folder, detached=True)
    return folder


def stopped(folder: RunFolder, least: int) -> History:
    """Its history, once it has done so many steps and was told to stop."""
    history = History(folder)
    wait_until(lambda: history.poll() and history.steps_done >= least, 150, f"{least} steps of {folder.name}")
    folder.send(Command(command="stop", time=0.0))
    wait_until(lambda: history.poll() and history.end is not None, 60, f"the end of {folder.name}")
    assert history.end is not None
    assert history.end.status == "stopped", history.end
    return history


def same(one: History, other: History, steps: int) -> None:
    """Assert that the first `steps` steps, and the epochs among them, are equal to the last bit."""
    for name in ("loss", "accuracy", "lr"):
        assert one.steps.column(name)[:steps].tobytes() == other.steps.column(name)[:steps].tobytes(), name
    epochs = steps // 45
    assert min(len(one.epochs), len(other.epochs)) >= epochs >= 3
    for first, second in zip(one.epochs[:epochs], other.epochs[:epochs], strict=True):
        for name in ("train_loss", "val_loss", "val_accuracy", "confusion"):
            assert getattr(first, name) == getattr(second, name), name


@pytest.mark.torch
@pytest.mark.usefixtures("forks")
async def test_the_screen_changes_nothing(tmp_path: Path) -> None:
    with mock.patch.object(Control, "apply_pending", _late(Control.apply_pending)):
        folder = start(tmp_path, "watched")
    await tour(folder)
    looked_at = History(folder)
    looked_at.poll()
    steps = max(looked_at.steps_done, 4 * 45)
    # One step more: at the very last step of an epoch a stop comes before the epoch's validation.
    looked_at = stopped(folder, steps + 1)
    not_looked_at = stopped(start(tmp_path, "alone"), steps + 1)
    assert len(not_looked_at.layer_steps) > 0
    same(looked_at, not_looked_at, steps)


def _late(apply_pending: Callable[[Control], None]) -> Callable[[Control], None]:
    """Let some time pass between two steps, so that not all of a core is trained away while the screen is looked at."""

    def late(control: Control) -> None:
        time.sleep(0.01)
        apply_pending(control)

    return late


async def tour(folder: RunFolder) -> None:
    """Every pane, every place, several sizes, and keys that change the view; the run goes on below each of them."""
    app = CvtuiApp(runs=folder.path.parent, attach=folder.path)
    async with app.run_test(size=(80, 24)) as pilot:
        await wait_until_async(lambda: list(app.screen.query(LiveView)), 30, "the view of the run")
        view = app.screen.query_one(LiveView)
        await wait_until_async(lambda: view.history.steps_done > 0, 60, "the first steps")

        async def look() -> None:
            before, history = view.history.steps_done, History(folder)
            await wait_until_async(lambda: history.poll() and history.steps_done > before, 60, "more steps")
            await pilot.pause()

        for pane in NAMES:
            view.show_pane(pane)
            await look()
        for key in ("a", "y", "m", "z", "z", "v", "escape"):  # axes, smoothing, one pane alone, an explanation
            await pilot.press(key)
            await pilot.pause()
        for size in ((160, 45), (240, 70), (100, 30)):
            await pilot.resize_terminal(*size)
            await look()
        for place in (*SCREENS, SCREENS[0]):
            await app.action_go_to(place.name)
            await look()
        seen = view.history.steps_done
        await wait_until_async(lambda: view.history.steps_done > seen, 60, "the view to go on")
        assert view.history.end is None
