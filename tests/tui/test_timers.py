"""A timer that fires once fires, also on a machine where its turn comes late."""

from __future__ import annotations

import itertools

import pytest
from textual import _time
from textual.app import App, ComposeResult
from textual.widgets import Static

from cvtui.tui import app as ours
from tests.waiting import wait_until_async


def late(monkeypatch: pytest.MonkeyPatch) -> None:
    """From here on others have the processor for 20 ms between Textual's next few readings of the clock."""
    clock, readings = _time.get_time, itertools.count(1)
    monkeypatch.setattr(_time, "get_time", lambda: clock() + 0.02 * min(next(readings), 40))


async def test_a_single_shot_that_is_overdue_when_it_begins_fires(monkeypatch: pytest.MonkeyPatch) -> None:
    assert issubclass(ours.CvtuiApp, App), "it mends Textual when it is loaded"
    app: App[None] = App()
    fired: list[bool] = []
    async with app.run_test() as pilot:
        await pilot.pause()
        late(monkeypatch)
        app.set_timer(0.01, lambda: fired.append(True))
        await wait_until_async(lambda: fired, what="the only shot")


class Host(App[None]):
    CSS = "Static { width: 1fr; height: 1fr; }"

    def compose(self) -> ComposeResult:
        yield Static()


async def test_a_resize_is_not_lost_and_neither_are_those_after_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """The app lets 1/120 s pass before it passes a resize on."""
    app = Host()
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.pause()
        shown = app.query_one(Static)
        late(monkeypatch)
        await pilot.resize_terminal(100, 20)
        await wait_until_async(lambda: shown.size == (100, 20), what="the resize")
        await pilot.resize_terminal(90, 30)
        await wait_until_async(lambda: shown.size == (90, 30), what="the one after it")
