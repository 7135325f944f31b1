"""`p` in Pictures asks for a path and shows the picture with its bars; `e` in Train shows the evaluation."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from textual.widgets import Input, Static

from cvtui.runlog.evaluation import read_evaluation
from cvtui.runlog.folder import RunFolder
from cvtui.runlog.predictions import Predicted, Unread
from cvtui.tui.app import CvtuiApp
from cvtui.tui.detail.evaluation_view import EvaluationView
from cvtui.tui.detail.picture_box import PictureBox
from cvtui.tui.detail.pictures_view import PicturesView
from cvtui.tui.detail.predict_view import PredictView, bars
from cvtui.tui.train import LiveView
from tests.engine.infer.making import halves, seen_by_run, trained
from tests.waiting import wait_until_async

pytestmark = pytest.mark.torch


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> RunFolder:
    base = tmp_path_factory.mktemp("predict-view")
    return trained(base / "runs", data=f"folder:{halves(base / 'pictures')}", epochs=1)


async def live(app: CvtuiApp) -> LiveView:
    await wait_until_async(lambda: list(app.screen.query(LiveView)), what="the run")
    view = app.screen.query_one(LiveView)
    await wait_until_async(lambda: view.history.end is not None, what="its log")
    return view


def text(view: EvaluationView | PredictView, name: str) -> str:
    return str(view.query_one(name, Static).content)


@pytest.mark.usefixtures("forks")
async def test_e_evaluates_and_keeps_what_it_found(run: RunFolder) -> None:
    """With a real process; the second time what was kept is shown at once."""
    app = CvtuiApp(attach=run.path, prewarm=False)
    async with app.run_test(size=(80, 24)) as pilot:
        shown = await live(app)
        await pilot.press("e")
        await wait_until_async(lambda: isinstance(app.screen, EvaluationView), what="the page")
        view = app.screen
        assert isinstance(view, EvaluationView)
        await wait_until_async(lambda: view.found is not None, what="the evaluation", timeout=60)
        await wait_until_async(lambda: view._process is None, what="its process's end")
        assert view.words == "evaluated now"
        assert view.found is not None
        epoch = next(one for one in shown.history.epochs if one.epoch == view.found.epoch)
        assert view.found.confusion == epoch.confusion
        assert text(view, "#text").splitlines()[1].startswith("accuracy")
        assert "95 % interval" in text(view, "#text")
        assert max(map(len, text(view, "#text").splitlines()[1:30])) <= 76
        await pilot.press("escape")
        await pilot.press("e")
        await wait_until_async(lambda: isinstance(app.screen, EvaluationView), what="the page again")
        again = app.screen
        assert isinstance(again, EvaluationView)
        assert again.found == view.found == read_evaluation(run)
        assert again._process is None


def shows(app: CvtuiApp, kind: type[EvaluationView | PredictView]) -> bool:
    return isinstance(app.screen, kind)


async def test_both_are_in_the_palette_of_a_run(run: RunFolder) -> None:
    app = CvtuiApp(attach=run.path, prewarm=False)
    async with app.run_test(size=(80, 24)) as pilot:
        await live(app)
        kinds: dict[str, type[EvaluationView | PredictView]] = {"Evaluate": EvaluationView, "Predict": PredictView}
        for title, kind in kinds.items():
            next(one for one in app.get_system_commands(app.screen) if one.title == title).callback()
            await wait_until_async(partial(shows, app, kind), what=title)
            await pilot.press("escape")
            await wait_until_async(
                lambda: not isinstance(app.screen, EvaluationView | PredictView), what="the way back"
            )


@pytest.mark.parametrize("size", [(80, 24), pytest.param((160, 45), marks=pytest.mark.long)])
@pytest.mark.usefixtures("forks")
async def test_p_shows_a_picture_with_its_bars(run: RunFolder, size: tuple[int, int]) -> None:
    pictures = Path(run.path).parents[1] / "pictures" / "val"
    app = CvtuiApp(attach=run.path, prewarm=False)
    async with app.run_test(size=size) as pilot:
        await live(app)
        await pilot.press("i")
        await wait_until_async(lambda: isinstance(app.screen, PicturesView), what="the pictures")
        await pilot.press("p")
        await wait_until_async(lambda: isinstance(app.screen, PredictView), what="the field")
        view = app.screen
        assert isinstance(view, PredictView)
        view.query_one("#path", Input).value = f"'{pictures / 'sand'}' "
        await pilot.press("enter")
        await wait_until_async(lambda: view.answers, what="an answer", timeout=60)
        path = view.paths[0]
        logits, names, _ = seen_by_run(run)
        shares = dict(zip(names, logits.double().softmax(1).max(1).values.tolist(), strict=True))
        found = view.answers[path]
        assert isinstance(found, Predicted)
        assert found.top[0][1] == pytest.approx(shares[path], rel=1e-4)
        await pilot.pause()
        assert found.top[0][0] in text(view, "#about")
        box = view.query_one("#picture", PictureBox)
        assert box.image is not None
        assert np.array_equal(box.image, np.asarray(Image.open(path)))
        await pilot.press("right_square_bracket")
        await wait_until_async(lambda: view.paths[1] in view.answers, what="the next one's")
        await pilot.press("p", *"gone.png", "enter")
        await wait_until_async(lambda: isinstance(view.answers.get("gone.png"), Unread), what="the reason")
        await pilot.pause()
        assert "can't be read: it does not exist" in text(view, "#about")
        await pilot.press("escape")
        await wait_until_async(lambda: isinstance(app.screen, PicturesView), what="the way back")


@pytest.mark.parametrize("width", [12, 30, 80])
def test_bars_fit(width: int) -> None:
    found = Predicted(image="x", number=0, top=[("a long name of a class", 0.75), ("b", 0.25), ("c", None)])
    lines = [str(line) for line in bars(found, width, 2)]
    assert len(lines) == 2
    assert all(len(line) <= max(width, 20) for line in lines)
    assert lines[0].endswith("75.0 %")
