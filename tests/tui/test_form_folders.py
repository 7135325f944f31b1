"""The form on folders as people have them: what is wrong, the line to type, and what is used and left out."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest
from textual import events
from textual.pilot import Pilot
from textual.widgets import Static

from cvtui.recipe.datasets.image_folder import _known
from cvtui.recipe.recipe import Recipe
from cvtui.tui.app import CvtuiApp
from cvtui.tui.widgets.text_field import TextField
from tests.recipe.filled_folders import abc, fill, pets
from tests.recipe.test_folder_layouts import LAYOUTS
from tests.tui.test_app_form import form_view_of, ready, row, session, type_into
from tests.waiting import wait_until_async

pytestmark = pytest.mark.walked


@pytest.fixture(autouse=True)
def fresh() -> Iterator[None]:
    _known.clear()
    yield
    _known.clear()


def explained(app: CvtuiApp) -> str:
    """Return what stands at the foot of the form, as it is drawn: what is cut off is not there."""
    place = form_view_of(app).query_one("#explanation", Static)
    lines = [place.render_line(y).text.strip() for y in range(place.size.height)]
    return " ".join(line for line in lines if line)


async def focus_data(app: CvtuiApp, words: str) -> None:
    form_view_of(app).form.focus_field("data")
    await wait_until_async(lambda: squeezed(words) in squeezed(explained(app)), what=f"{words!r} at the form's foot")


def squeezed(text: str) -> str:
    return "".join(text.split())


async def test_each_layout_is_read_or_says_the_line_to_type(tmp_path: Path) -> None:
    """What is said has room in a small terminal and in a large one; what is read is the same in both."""
    app = session(tmp_path, Recipe(data="folder:.", size="8", net="conv4-relu-fc", batch_size=4))
    async with app.run_test(size=(80, 24)) as pilot:
        await ready(app)
        for number, (train, validation) in enumerate(LAYOUTS[:6]):
            await typed(pilot, app, pets(tmp_path / str(number), train, validation))
            assert form_view_of(app).validation.ready, form_view_of(app).validation.problems
            data = form_view_of(app).validation.data
            assert data is not None
            assert (data.classes, data.train, data.validation) == (("cat", "dog"), 8, 8)
        pets(tmp_path / "asked", "a", "b")
        await typed(pilot, app, tmp_path / "asked")
        problem = form_view_of(app).validation.problems["data"]
        for size in ((80, 24), (160, 45)):
            await pilot.resize_terminal(*size)
            await focus_data(app, "hold the same subfolders (cat, dog)")
            await focus_data(app, "(split=none)")
        line = next(text for text in shlex.split(problem.hint.replace(";", " ")) if "train=" in text)
        await typed(pilot, app, line)  # with the prefix, as it is told
        assert form_view_of(app).validation.ready


async def typed(pilot: Pilot[None], app: CvtuiApp, path: object) -> None:
    """Paste a path into the field beside `folder`, in place of what stands there."""
    row(app, "data").query_one(TextField).focus()
    await pilot.press("end", "ctrl+u")
    assert app.focused is not None
    app.focused.post_message(events.Paste(str(path)))
    await wait_until_async(
        lambda: form_view_of(app).validation.texts["data"] == f"folder:{path}", what="the form's judgement"
    )


async def test_what_is_used_and_left_out_is_told_beside_the_numbers_and_at_the_field(tmp_path: Path) -> None:
    abc(tmp_path / "set", "abc", "bc")
    fill(tmp_path / "set", "test/a")
    app = session(tmp_path, Recipe(data="folder:.", size="8", net="conv4-relu-fc", batch_size=4))
    async with app.run_test(size=(160, 45)) as pilot:
        await ready(app)
        await typed(pilot, app, tmp_path / "set")
        notes = ("validation has no images of the class a", "test/ is not used: it is left for evaluating")
        for words in notes:
            await focus_data(app, words)
            assert squeezed(words) in squeezed(form_view_of(app).preview.facts.text)
        fill(tmp_path / "set", "val/d")
        _known.clear()
        await typed(pilot, app, f"{tmp_path / 'set'}/")
        assert "has the class 'd'" in form_view_of(app).validation.problems["data"].message
        await type_into(pilot, app, "only", "b,c")
        assert form_view_of(app).validation.ready


async def test_a_folder_around_the_set_and_a_second_prefix(tmp_path: Path) -> None:
    pets(tmp_path / "set", "PetImages")
    app = session(tmp_path, Recipe(data="folder:.", size="8", net="conv4-relu-fc", batch_size=4))
    async with app.run_test(size=(80, 24)) as pilot:
        await ready(app)
        await typed(pilot, app, tmp_path / "set")
        assert row(app, "data").problem is not None
        await focus_data(app, f"did you mean folder:{tmp_path / 'set' / 'PetImages'}?")
        await typed(pilot, app, f"folder:{tmp_path / 'set' / 'PetImages'}")
        assert form_view_of(app).validation.ready
        size = str(form_view_of(app).preview.query_one("#card-net").border_subtitle)
        assert re.fullmatch(r"one folder:.*PetImages image: 8x8x3", size)
        assert len(size) < 70  # at 80 columns a long path gives way, not the size behind it
        await pilot.press("ctrl+o")
        await wait_until_async(lambda: form_view_of(app).preview.facts.size.width > 30, what="the preview")
        assert "…" not in form_view_of(app).preview.facts.text  # a remark is whole, or not there
        form = form_view_of(app)
        await form.form.rows["data"].set_text(f"folder:{tmp_path / 'set'}")
        card = form.preview.query_one("#card-net")
        await wait_until_async(
            lambda: str(card.border_subtitle) == "still of the data before", what="whose table it is"
        )
