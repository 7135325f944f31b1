"""`ctrl+k` on the form: the check of a recipe, by a real process."""

from __future__ import annotations

from pathlib import Path

import pytest

from cvtui.recipe.recipe import Recipe
from cvtui.tui.app import CvtuiApp
from cvtui.tui.screens.train import TrainScreen
from cvtui.tui.train.precheck_modal import PrecheckModal
from tests.waiting import wait_until_async


@pytest.mark.torch
@pytest.mark.usefixtures("forks")
async def test_the_list_of_questions_with_their_answers(tmp_path: Path) -> None:
    recipe = Recipe(net="conv8-relu-pool-fc", threads=1, device="cpu", init="zeros")
    app = CvtuiApp(recipe, runs=tmp_path, prewarm=False)
    async with app.run_test(size=(120, 40)) as pilot:
        screen = app.screen
        assert isinstance(screen, TrainScreen)
        await wait_until_async(lambda: screen.form_view is not None and screen.form_view.complete, what="the form")
        await pilot.press("ctrl+k")
        await wait_until_async(lambda: isinstance(app.screen, PrecheckModal), what="the check")
        modal = app.screen
        assert isinstance(modal, PrecheckModal)
        await wait_until_async(lambda: modal.result is not None, 60, "its answers")
        assert modal.result is not None
        text = "\n".join(line.plain for line in modal.lines(modal.result))
        assert "inputs are normalised" in text
        assert "F08" in [finding["id"] for finding in modal.result["findings"]], "all weights are 0"
        await pilot.press("escape")
        await wait_until_async(lambda: app.screen is screen, what="the form again")
    assert not list(tmp_path.iterdir()), "nothing is kept"
