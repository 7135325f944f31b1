"""The screen on logs in which every value is absurd: it opens, every pane draws, and one such run spoils no list."""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from cvtui.recipe.recipe import Recipe
from cvtui.recipe.toml import dumps
from cvtui.runlog.folder import RunFolder
from cvtui.tui.app import CvtuiApp
from cvtui.tui.panes.registry import NAMES
from cvtui.tui.screens.runs import RunsScreen
from cvtui.tui.screens.runs_table import SORTS
from cvtui.tui.train import LiveView
from tests.runlog.absurd import ABSURD, RECORDS, together
from tests.tui.places import begun_at
from tests.waiting import wait_until_async

pytestmark = pytest.mark.walked


def absurd_runs(base: Path, values: list[Any]) -> list[RunFolder]:
    """Make a run for each value, in which every value of every record is it at some place.

    The record `run` as it is, or with the value in all of its dictionaries.
    """
    found = []
    for number, value in enumerate(values):
        run = RunFolder.create(base, f"absurd{number}", dumps(Recipe()))
        begun = dict(RECORDS[0])
        for part in ("recipe", "data", "prediction", "parent"):
            begun[part] = dict.fromkeys(begun[part], value)
        run.events.write_bytes(json.dumps(begun).encode() + b"\n" + together(value).partition(b"\n")[2])
        found.append(run)
    (base / "toml").mkdir()
    (base / "toml" / "recipe.toml").write_text(
        f"lr = 'fast'\nepochs = {10**400}\nnet = 3\noptimizer = [1]\ndata = {{}}\n"
    )
    return found


@pytest.mark.parametrize("place", [0, 2, 10, pytest.param(-1, marks=pytest.mark.long)])
async def test_every_pane_draws_it(tmp_path: Path, place: int) -> None:
    values = [ABSURD[place]] if place >= 0 else list(ABSURD)
    for run in absurd_runs(tmp_path, values):
        app = CvtuiApp(runs=tmp_path, attach=run.path, prewarm=False)
        async with app.run_test(size=(140, 40)) as pilot:
            await wait_until_async(partial(lambda app: app.screen.query(LiveView), app), what="the run")
            live = app.screen.query_one(LiveView)
            for pane in NAMES:
                live.show_pane(pane)
                await pilot.pause()
            for key in ("left", "left", "home", "end", "x", "b", "w"):
                await pilot.press(key)
            await pilot.press("4")
            await pilot.pause()


async def test_the_list_shows_and_sorts_them_beside_a_good_one(tmp_path: Path) -> None:
    runs = absurd_runs(tmp_path, list(ABSURD))
    good = RunFolder.create(tmp_path, "good", dumps(Recipe()))
    good.events.write_bytes(b"\n".join(json.dumps(record).encode() for record in RECORDS) + b"\n")
    app = begun_at("runs", tmp_path)
    async with app.run_test(size=(160, 50)) as pilot:
        assert isinstance(app.screen, RunsScreen)
        screen = app.screen
        await wait_until_async(lambda: len(screen.table.rows) == len(runs) + 2, what="the runs")
        for key in SORTS:
            screen.sort_by(key)
            await pilot.pause()
        assert "50.0" in next(line for line in screen.table.text.splitlines() if " good " in line)
