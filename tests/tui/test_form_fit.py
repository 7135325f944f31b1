"""The form offers a recipe that fits the chosen data, fills it in and takes it back."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image

from cvtui.recipe.fitted import FITTED, fitted
from cvtui.recipe.recipe import Recipe
from cvtui.recipe.toml import override
from cvtui.tui.form.field_values import field_texts
from cvtui.tui.form.fit_line import FitLine
from cvtui.tui.form.fit_offer import FitOffer
from tests.tui.test_app_form import SIZES, examined, form_view_of, ready, row, session, type_into
from tests.waiting import wait_until_async

pytestmark = pytest.mark.walked
DEFAULTS = field_texts(Recipe())


@pytest.mark.parametrize("size", SIZES)
async def test_another_set_is_offered_a_recipe_that_can_be_taken_back(tmp_path: Path, size: tuple[int, int]) -> None:
    app = session(tmp_path)
    async with app.run_test(size=size) as pilot:
        await ready(app)
        form_view = form_view_of(app)
        line = form_view.query_one(FitLine)
        assert not line.display
        await row(app, "data").set_text("shapes")
        await wait_until_async(lambda: line.display, what="the offer")
        assert line.line.startswith("ctrl+y: fit the recipe to this data: net, augment, lr, weight decay, warmup,")
        await wait_until_async(lambda: "data: net, augment" in line.render().plain, what="the line drawn")
        await type_into(pilot, app, "lr", "0.02")
        assert "lr" not in line.line
        before = form_view.form.texts
        await pilot.press("ctrl+y")
        wanted = {**before, **fitted(Recipe(data="shapes", lr=0.02), ("data", "lr")).changes}
        await wait_until_async(lambda: form_view.form.texts == wanted, what="the fitted fields")
        await examined(app)
        assert form_view.validation.recipe is not None
        assert line.line == "fitted to this data; ctrl+y: back as before"
        await pilot.press("ctrl+y")
        await wait_until_async(lambda: form_view.form.texts == before, what="what was there before")


async def test_what_the_command_line_has_fitted_can_be_taken_back(tmp_path: Path) -> None:
    app = session(tmp_path, fitted(Recipe(data="moons")).recipe)
    async with app.run_test(size=(80, 24)) as pilot:
        await ready(app)
        line = form_view_of(app).query_one(FitLine)
        await wait_until_async(lambda: line.line.startswith("fitted to"), what="the line")
        await pilot.press("ctrl+y")
        await wait_until_async(lambda: row(app, "net").text == Recipe().net, what="the default net")


def looked(offer: FitOffer, **changes: str) -> FitOffer:
    offer.look({**DEFAULTS, **changes})
    return offer


def test_a_net_or_weights_of_ones_own_get_no_offer() -> None:
    assert looked(FitOffer(), data="shapes").offered
    assert not looked(FitOffer(), data="shapes", net="conv8-fc").offered
    assert not looked(FitOffer(), data="shapes", weights="x.pt").offered
    assert not looked(FitOffer(), data="folder:nowhere").offered
    assert not looked(FitOffer(), data="mine:data").offered


def test_the_next_set_is_offered_its_own_and_digits_the_default() -> None:
    offer = looked(FitOffer(), data="shapes")
    texts = {**DEFAULTS, "data": "shapes", **offer.take({**DEFAULTS, "data": "shapes"})}
    offer.look(texts)
    assert (offer.offered, set(offer.taken)) == ({}, set(FITTED) - {"size"})
    offer.look({**texts, "data": "moons"})
    assert offer.offered["net"] == fitted(Recipe(data="moons")).recipe.net
    offer.look({**texts, "data": "digits"})
    assert offer.offered == {name: DEFAULTS[name] for name in FITTED if texts[name] != DEFAULTS[name]}


def test_what_was_fitted_to_a_field_of_the_command_line_is_taken_back_with_the_rest() -> None:
    """A warm-up for the epochs that were given there is the fit's; the epochs are the user's."""
    asked = override(Recipe(), {"data": "shapes", "epochs": "300", "batch_size": "10"})
    texts = field_texts(fitted(asked, ("data", "epochs", "batch_size")).recipe)
    assert texts["warmup"] != field_texts(fitted(override(Recipe(), {"data": "shapes"})).recipe)["warmup"]
    offer = FitOffer()
    offer.look(texts)
    assert {**texts, **offer.take(texts)} == {**DEFAULTS, "data": "shapes", "epochs": "300", "batch_size": "10"}


def test_pictures_of_a_folder_keep_their_size_unless_it_was_set(tmp_path: Path) -> None:
    for name in ("cat", "dog"):
        (tmp_path / name).mkdir()
        for number in range(4):
            Image.new("L", (28, 28)).save(tmp_path / name / f"{number}.png")
    data = f"folder:{tmp_path}"
    assert looked(FitOffer(), data=data).offered["size"] == "28"
    assert "size" not in looked(FitOffer(), data=data, size="32").offered
