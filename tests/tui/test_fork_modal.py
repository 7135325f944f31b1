"""`f`: a child is made from a checkpoint, trains, and its parent's curve is drawn with it."""

from __future__ import annotations

from pathlib import Path

import pytest
from textual.widgets import Input, OptionList

from cvtui.engine.train.control import Signals
from cvtui.engine.worker import train_folder
from cvtui.errors import RequestError
from cvtui.tui.app import CvtuiApp
from cvtui.tui.train import LiveView
from cvtui.tui.train.fork_modal import ForkModal, parse_changes
from tests.engine.making import folder
from tests.waiting import wait_until_async


async def test_a_fork_from_the_screen(tmp_path: Path) -> None:
    parent = folder(tmp_path, "parent", epochs=3, keep="last,best,every=1")
    assert train_folder(parent.path, Signals()) == 0
    app = CvtuiApp(runs=tmp_path, attach=parent.path, prewarm=False)
    async with app.run_test(size=(120, 40)) as pilot:
        await wait_until_async(lambda: list(app.screen.query(LiveView)), what="the run")
        await pilot.press("f")
        await wait_until_async(lambda: isinstance(app.screen, ForkModal), what="the question")
        listed = app.screen.query_one(OptionList)
        assert listed.option_count == 4, "three checkpoints, and from the start"
        said = app.screen.query_one("#fork-said")
        changes = app.screen.query_one("#fork-changes", Input)
        assert "5 more epochs, up to 8" in str(said.render()), "ready to start from the end, too"
        await pilot.press(*"lr=1")
        assert changes.value == "epochs=8 lr=1"
        changes.value = ""
        await wait_until_async(lambda: "it has done 3 of 3 epochs" in str(said.render()), what="what is missing")
        listed.highlighted = 3
        about = app.screen.query_one("#fork-about")
        await wait_until_async(lambda: "with new weights" in str(about.render()), what="what the start means")
        listed.highlighted = 1
        await wait_until_async(lambda: "that checkpoint's weights" in str(about.render()), what="what continues")
        app.screen.query_one("#fork-changes", Input).value = "lr=fast"
        await wait_until_async(lambda: "is not a number" in str(said.render()), what="what is wrong")
        await pilot.press("enter")
        assert isinstance(app.screen, ForkModal)
        app.screen.query_one("#fork-changes", Input).value = "lr=1e-3 name=child"
        await wait_until_async(lambda: "1 more epoch, up to 3" in str(said.render()), what="what will be")
        await pilot.press("enter")
        view = await wait_until_async(
            lambda: next((v for v in app.screen.query(LiveView) if v.folder.name == "child"), None), what="the child"
        )
        view = app.screen.query_one(LiveView)
        await wait_until_async(lambda: view.view.state == "finished", 60, "its end")
        assert view.history.steps.first == 24
        assert view.overlay_runs.names == ["parent"], "whose curve goes on in it"


def test_changes_are_read_like_options() -> None:
    assert parse_changes("lr=1e-4 --epochs=40 augment='flip, crop(4)'") == {
        "lr": "1e-4", "epochs": "40", "augment": "flip, crop(4)"
    }  # fmt: skip
    for text in ("lr", "name='x"):
        with pytest.raises(RequestError):
            parse_changes(text)
