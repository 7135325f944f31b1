"""The form shows what augmentation does, by the warm engine's answer."""

from __future__ import annotations

import base64
import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from cvtui.recipe.recipe import Recipe
from cvtui.tui.app import CvtuiApp
from cvtui.tui.detail.raster_view import RasterView
from cvtui.tui.form.augment_preview import AugmentPreview, pictures, sheet
from cvtui.tui.screens.train import TrainScreen
from tests.waiting import wait_until_async


def png(colour: tuple[int, int, int], size: tuple[int, int] = (4, 3)) -> str:
    file = io.BytesIO()
    Image.new("RGB", size, colour).save(file, "PNG")
    return base64.b64encode(file.getvalue()).decode()


def test_images_in_two_rows() -> None:
    first, second = pictures([png((255, 0, 0)), png((0, 255, 0))]), pictures([png((0, 0, 255)), png((9, 9, 9))])
    canvas = sheet([first, second])
    assert canvas.shape == (7, 9, 3)
    assert canvas[0, 0].tolist() == [255, 0, 0]
    assert canvas[4, 5].tolist() == [9, 9, 9]
    assert canvas[3].max() == 0
    for bad in (None, 3, ["x"], [base64.b64encode(b"no picture").decode()]):
        assert pictures(bad) == []


@pytest.mark.long
async def test_the_first_images_before_and_after(tmp_path: Path) -> None:
    app = CvtuiApp(Recipe(net="fc", augment="flip, shift(2)", threads=1), runs=tmp_path)
    async with app.run_test(size=(160, 45)):
        screen = app.screen
        assert isinstance(screen, TrainScreen)
        await wait_until_async(lambda: list(screen.query(AugmentPreview)), what="the card")
        card = screen.query_one(AugmentPreview)
        await wait_until_async(lambda: card.has_class("-there"), 60, "the images")
        image = card.query_one(RasterView).image
        assert image is not None
        assert image.shape == (17, 8 * 9 - 1, 3)
        assert not np.array_equal(image[:8], image[9:])
        assert screen.form_view is not None
        await screen.form_view.form.rows["augment"].set_text("none")
        await wait_until_async(lambda: not card.has_class("-there"), 60, "the card to go")
