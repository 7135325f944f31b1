"""`ctrl+l` on the form: a real search in real processes, and its rate in the field."""

from __future__ import annotations

from pathlib import Path

import pytest

from cvtui.recipe.recipe import Recipe
from cvtui.tui.app import CvtuiApp
from cvtui.tui.form.lr_search import LrSearch
from cvtui.tui.screens.train import TrainScreen
from tests.waiting import wait_until_async

RECIPE = Recipe(net="fc16-relu-fc", optimizer="sgd", threads=1, device="cpu", batch_size=128)


async def searching(app: CvtuiApp, pilot: object) -> LrSearch:
    screen = app.screen
    assert isinstance(screen, TrainScreen)
    await wait_until_async(lambda: screen.form_view is not None and screen.form_view.complete, what="the form")
    await pilot.press("ctrl+l")  # type: ignore[attr-defined]
    await wait_until_async(lambda: isinstance(app.screen, LrSearch), what="the search")
    assert isinstance(app.screen, LrSearch)
    return app.screen


@pytest.mark.long
async def test_the_rate_that_is_found_goes_into_the_form(tmp_path: Path) -> None:
    app = CvtuiApp(RECIPE, runs=tmp_path, prewarm=False)
    async with app.run_test(size=(120, 40)) as pilot:
        screen = app.screen
        assert isinstance(screen, TrainScreen)
        search = await searching(app, pilot)
        await wait_until_async(lambda: search.result is not None or search.error, 90, "the end of the search")
        assert search.result is not None, search.error
        rate = search.result.lr
        assert rate is not None
        assert "Range test" in search.query_one("FiguresView").text  # type: ignore[attr-defined]
        await pilot.press("enter")
        await wait_until_async(lambda: screen.form_view.form.texts["lr"] == f"{rate:g}", what="the rate in its field")  # type: ignore[union-attr]
    assert not list(tmp_path.glob("*/recipe.toml")), "its runs lie in a folder of their own"


@pytest.mark.long
async def test_leaving_stops_what_runs(tmp_path: Path) -> None:
    app = CvtuiApp(RECIPE, runs=tmp_path, prewarm=False)
    async with app.run_test(size=(80, 24)) as pilot:
        search = await searching(app, pilot)
        await wait_until_async(lambda: search._finder and search._finder.race.racers[0].process, what="a run")
        finder = search._finder
        assert finder is not None
        await pilot.press("escape")
        await wait_until_async(lambda: finder.race.racers[0].process.poll() is not None, what="its end")  # type: ignore[union-attr]
