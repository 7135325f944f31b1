"""Weights and PyTorch code in the form: what goes with them, what is missing, and the engine's own refusal."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from textual.message import Message
from textual.pilot import Pilot
from textual.widgets import Static

from cvtui.recipe.recipe import Recipe
from cvtui.tui.app import CvtuiApp
from cvtui.tui.form.form_view import FormView
from cvtui.tui.form.validation import engine_problems
from tests.tui.test_app_form import examined, form_view_of, ready, row, session, type_into
from tests.waiting import wait_until_async

pytestmark = pytest.mark.walked

SIZES = [(80, 24), (160, 45)]


async def weights_that_are_not_there_are_said_at_their_field(pilot: Pilot[None], app: CvtuiApp) -> None:
    await type_into(pilot, app, "weights", "nowhere.pt")
    problem = row(app, "weights").problem
    assert problem is not None
    assert "there is no file and no run 'nowhere.pt'" in problem.message
    await wait_until_async(lambda: row(app, "preprocess").text == "weights", what="the usual preprocessing")
    await type_into(pilot, app, "weights", "w.pt")
    await examined(app)
    assert row(app, "weights").problem is None
    await type_into(pilot, app, "weights", "")
    await wait_until_async(lambda: row(app, "preprocess").text == "standardise", what="the usual preprocessing")
    await examined(app)
    assert not form_view_of(app).validation.problems


async def a_net_that_the_engine_cannot_build_is_said_at_the_net(pilot: Pilot[None], app: CvtuiApp) -> None:
    await type_into(pilot, app, "net", "torchvision:resnet19")
    await wait_until_async(lambda: row(app, "init").text == "own", what="the usual initialization")
    await examined(app)
    view = form_view_of(app)
    view.engine.answered = view.validation.recipe
    view.engine.answer = {"error": "torchvision:resnet19: no such classification model; did you mean 'resnet18'?"}
    view._engine_changed()
    problem = row(app, "net").problem
    assert problem is not None
    assert "did you mean 'resnet18'?" in problem.message
    status = view.query_one("#status", Static)
    assert str(status.content) == "✗ fix: net"
    view.validate(again=True)  # of the same recipe: what the engine said of it still holds
    assert str(status.content) == "✗ fix: net"
    await type_into(pilot, app, "net", "conv8-fc")
    assert row(app, "net").problem is None


@pytest.mark.parametrize("size", SIZES)
async def test_what_is_wrong_is_said_at_its_field(
    tmp_path: Path, size: tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("w.pt").write_bytes(b"")
    app = session(tmp_path)
    async with app.run_test(size=size) as pilot:
        await ready(app)
        await weights_that_are_not_there_are_said_at_their_field(pilot, app)
        await a_net_that_the_engine_cannot_build_is_said_at_the_net(pilot, app)


ENGINE = """
import json, sys
for line in sys.stdin:
    asked = json.loads(line)
    if "start" in asked:
        sys.exit(0)
    wrong = asked["predict"]["freeze"] == "wrong*"
    found = {"error": "freeze: 'wrong*' freezes no parameter of this net"} if wrong else {"activation_std": {}}
    print(json.dumps({"recipe": asked["predict"], **found}), flush=True)
"""


async def test_start_waits_for_the_engines_word_and_a_refusal_starts_nothing(tmp_path: Path) -> None:
    app = session(tmp_path, Recipe(net="torchvision:resnet18", init="own", freeze="wrong*"))
    async with app.run_test(size=(80, 24)) as pilot:
        await ready(app)
        view = form_view_of(app)
        starts: list[Recipe] = []

        def post(message: Message) -> bool:
            if not isinstance(message, FormView.Start):
                return FormView.post_message(view, message)
            starts.append(message.recipe)
            return True

        view.post_message = post  # type: ignore[method-assign]
        view.engine.enabled, view.engine._command = True, [sys.executable, "-c", ENGINE]
        status = view.query_one("#status", Static)
        await pilot.press("ctrl+r")
        assert str(status.content) == "building the net …"
        view.open()
        await wait_until_async(lambda: row(app, "freeze").problem is not None, what="the engine's word")
        assert (str(status.content), starts) == ("✗ fix: freeze", [])
        assert view.query_one("#start").has_class("-blocked")
        first = view.engine._process
        await pilot.press("ctrl+r")  # the file that it read may be another by now: a fresh process is asked
        assert view.engine._process is not first
        await wait_until_async(lambda: str(status.content) == "✗ fix: freeze", what="its word again")
        assert starts == []
        await type_into(pilot, app, "freeze", "conv1*")
        await pilot.press("ctrl+r")
        await wait_until_async(lambda: len(starts) == 1, what="the start")
        assert starts[0].freeze == "conv1*"


def test_the_engines_words_stand_at_the_field_that_they_name() -> None:
    made = Recipe(net="torchvision:resnet18", weights="default")
    found = engine_problems(made, {"error": "weights: those are not here", "hint": "add --download"})
    assert (found["weights"].message, found["weights"].hint) == ("those are not here", "add --download")
    assert engine_problems(made, {"activation_std": {}}) == {}
    assert engine_problems(Recipe(), {"error": "out of memory"}) == {}
