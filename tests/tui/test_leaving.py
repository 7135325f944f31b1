"""Leaving at any moment is no fault: keys that were typed before, and whatever still works beside the screen."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest
from textual import events
from textual.css.query import NoMatches
from textual.pilot import Pilot

from cvtui.notify.hooks import EndHooks
from cvtui.recipe.recipe import Recipe
from cvtui.runlog.folder import RunFolder
from cvtui.tui.app import CvtuiApp
from cvtui.tui.form.form_view import FormView
from cvtui.tui.prewarm import PrewarmedEngine
from cvtui.tui.screens.train import TrainScreen
from tests.waiting import wait_until_async


def typed(app: CvtuiApp, *keys: str) -> None:
    """Put keys into the app's queue at once, as a terminal does with what was typed while it worked."""
    for key in keys:
        app.post_message(events.Key(key, key if len(key) == 1 else None))


@pytest.mark.parametrize("keys", ["2", "? ?", "e"])
@pytest.mark.parametrize("turns", [0, 3])
async def test_a_place_or_window_that_is_left_before_it_is_composed(finished: RunFolder, keys: str, turns: int) -> None:
    """ctrl+q some turns of the event loop after the keys: Textual mounts nothing any more then, and raises."""
    app = CvtuiApp(runs=finished.path.parent, attach=finished.path, prewarm=False)

    async def leave(_pilot: Pilot[Any]) -> None:
        typed(app, *keys.split(" "))
        for _ in range(turns):
            await asyncio.sleep(0)
        app.exit()

    await app.run_async(headless=True, size=(40, 10), auto_pilot=leave)
    assert (app.return_code, app._exception) == (0, None)


async def test_a_widget_that_is_missed_while_nothing_is_left_is_a_fault(tmp_path: Path) -> None:
    app = CvtuiApp(runs=tmp_path, prewarm=False)

    async def miss(_pilot: Pilot[Any]) -> None:
        app.call_later(lambda: app.query_one("#no-such-widget"))

    await app.run_async(headless=True, auto_pilot=miss)
    assert app.return_code == 1
    assert isinstance(app._exception, NoMatches)


async def test_page_up_in_a_palette_without_matches_yet(tmp_path: Path) -> None:
    app = CvtuiApp(runs=tmp_path, prewarm=False)
    async with app.run_test() as pilot:
        typed(app, "ctrl+p", "6", "pageup", "pagedown", "escape")
        await pilot.pause()
    assert app.return_code in (0, None)


async def test_a_run_that_is_left_while_its_engine_becomes_the_trainer_has_its_end_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    watched: list[RunFolder] = []
    monkeypatch.setattr("cvtui.notify.start.watch_end", lambda folder, _hooks, _size: watched.append(folder))
    app = CvtuiApp(runs=tmp_path, prewarm=False, hooks=EndHooks("true"))
    engine = PrewarmedEngine(lambda: None, ["sleep", "60"])  # which still loads when the screen is left

    async def leave(_pilot: Pilot[Any]) -> None:
        screen = app.screen
        assert isinstance(screen, TrainScreen)
        await wait_until_async(lambda: screen.query(FormView) and screen.query_one(FormView).complete, what="the form")
        screen.query_one(FormView)._engine = engine
        engine.start()
        await screen.start(Recipe(name="left"))
        await wait_until_async(lambda: engine.state == "spent", what="its order")
        app.exit()

    process = None
    try:
        await app.run_async(headless=True, size=(80, 24), auto_pilot=leave)
    finally:
        process = engine._process
        if process is not None:
            process.kill()
            process.wait()
    assert (app._exception, [folder.name for folder in watched]) == (None, ["left"])
