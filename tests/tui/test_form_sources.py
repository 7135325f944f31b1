"""The form on csv, npz, parquet and tar files: counts and classes once the path is there, refusals at the field."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

import pytest
from textual import events
from textual.pilot import Pilot
from textual.widgets import Input

from cvtui.recipe.recipe import Recipe
from cvtui.tui.app import CvtuiApp
from cvtui.tui.form.field_values import field_texts
from cvtui.tui.form.validation import validate
from tests.engine.data.held_pictures import MAKERS
from tests.tui.test_app_form import examined, form_view_of, ready, row, session
from tests.waiting import wait_until_async

pytestmark = pytest.mark.walked

KINDS = [kind for kind in MAKERS if kind != "parquet" or find_spec("pyarrow") is not None]


async def a_path_behind_its_choice(pilot: Pilot[None], app: CvtuiApp, kind: str, folder: Path) -> None:
    text = MAKERS[kind](folder)
    await row(app, "data").set_text(f"{kind}:a b(1)")  # choice and path at once: the choice's news comes later
    await pilot.pause()
    assert row(app, "data").text == f"{kind}:a b(1)"
    await row(app, "data").set_text(f"{kind}:")
    await wait_until_async(lambda: list(row(app, "data").query(Input)), what="a field for the path")
    await examined(app)
    problem = row(app, "data").problem
    assert problem is not None
    assert f"'{kind}:' needs a path" in problem.message
    field = row(app, "data").query_one(Input)
    field.focus()
    await pilot.pause()
    field.post_message(events.Paste(text.partition(":")[2] + ".gone"))
    await wait_until_async(lambda: row(app, "data").text == text + ".gone", what="the path")
    await examined(app)
    problem = row(app, "data").problem
    assert problem is not None
    assert "does not exist" in problem.message
    for _ in ".gone":
        await pilot.press("backspace")
    await wait_until_async(lambda: row(app, "data").text == text, what="the path itself")
    await examined(app)
    validation = form_view_of(app).validation
    assert not validation.problems
    assert validation.data is not None
    assert (validation.data.train, validation.data.validation) == (24, 6)
    assert len(validation.data.classes) == 3
    assert validation.steps_per_epoch == 3


async def test_a_path_behind_each_choice(tmp_path: Path) -> None:
    app = session(tmp_path, Recipe(net="fc", batch_size=8, size="4"))
    async with app.run_test(size=(160, 45)) as pilot:
        await ready(app)
        for kind in KINDS:
            await a_path_behind_its_choice(pilot, app, kind, tmp_path / kind)


def test_a_file_without_its_prefix_says_which_to_type() -> None:
    problems = validate(field_texts(Recipe()) | {"data": "labels.csv"}).problems
    assert "needs a prefix: csv:labels.csv" in problems["data"].message
