"""`w` among the feature maps: why this answer, method by method, from a process of its own; and the map's colours."""

from __future__ import annotations

import importlib.util

import numpy as np
import pytest
from textual.widgets import Static

from cvtui.draw.overlay import overlaid
from cvtui.runlog.folder import RunFolder
from cvtui.tui.app import CvtuiApp
from cvtui.tui.detail.explanation_request import ExplanationRequest
from cvtui.tui.detail.picture_box import PictureBox
from cvtui.tui.detail.picture_index import MAPS
from cvtui.tui.detail.pictures_view import PicturesView
from cvtui.tui.train import LiveView
from tests.engine.making import folder as run_folder
from tests.engine.making import train
from tests.waiting import wait_until_async

pytestmark = pytest.mark.torch
CAPTUM = importlib.util.find_spec("captum") is not None


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> RunFolder:
    made = run_folder(tmp_path_factory.mktemp("why"), net="conv4-relu-pool-conv4-relu-fc", epochs=1, limit=200)
    assert train(made)[0] == 0
    return made


def test_colours() -> None:
    """Where a map is zero the picture is grey; above zero orange, below blue where signs count, else left grey."""
    image = np.full((1, 3, 3), (200, 100, 0), np.uint8)
    grey, up, down = overlaid(image, np.array([[0.0, 2.0, -2.0]]), signed=True)[0].astype(int)
    assert grey.tolist() == [100, 100, 100]
    assert up[0] > up[2]
    assert down[2] > down[0]
    assert overlaid(image, np.array([[0.0, 2.0, -2.0]]), signed=False)[0, 2].tolist() == [100, 100, 100]
    assert overlaid(image, np.array([[0.0, np.nan, 0.0]]), signed=False).std() == 0


def test_methods_turn(run: RunFolder) -> None:
    for has_maps, wanted in ((True, ["gradcam", "ig", "occlusion", ""]), (False, ["ig", "occlusion", "saliency", ""])):
        request, seen = ExplanationRequest(run), []
        for _ in wanted:
            request.next_method(has_maps)
            seen.append(request.method)
        assert seen == wanted


@pytest.mark.parametrize("size", [(80, 24), pytest.param((160, 45), marks=pytest.mark.long)])
async def test_why_beside_the_feature_maps(run: RunFolder, size: tuple[int, int]) -> None:
    app = CvtuiApp(attach=run.path, prewarm=False)
    async with app.run_test(size=size) as pilot:
        await wait_until_async(lambda: list(app.screen.query(LiveView)), what="the run")
        live = app.screen.query_one(LiveView)
        await wait_until_async(lambda: live.history.end is not None, what="its log")
        await pilot.press("i")
        await wait_until_async(lambda: isinstance(app.screen, PicturesView), what="the pictures")
        view = app.screen
        assert isinstance(view, PicturesView)
        while view.name_of_page != MAPS:
            await pilot.press("right")
        await pilot.press("v")
        note, card = view.query_one("#note", Static), view.query_one("#card")
        await wait_until_async(lambda: "Grad-CAM" in str(card.border_title), what="the title")
        if not CAPTUM:
            await wait_until_async(lambda: "cvtui[explain]" in str(note.render()), what="what is missing")
            assert view.query_one("#shown", PictureBox).image is None
            return
        await wait_until_async(lambda: view.why.found is not None, timeout=60, what="the explanation")
        await wait_until_async(lambda: view.query_one("#shown", PictureBox).image is not None, what="its picture")
        found = view.why.found
        assert found is not None
        assert found.layer == "conv1"  # the layer that the list shows
        assert f"Grad-CAM of conv1: {found.target} " in str(card.border_title)
        shown = view.query_one("#shown", PictureBox).image
        assert shown is not None
        assert shown.shape == (8, 8, 3)
        for _ in range(3):
            await pilot.press("v")
        assert view.why.method == ""
        await wait_until_async(lambda: "feature maps" in str(card.border_title).lower(), what="the maps again")
