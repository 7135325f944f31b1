"""A timer that fires once fires, also on a machine where its turn comes late."""

from __future__ import annotations

import itertools

import pytest
from textual import _time

from cvtui.tui.app import CvtuiApp
from cvtui.tui.screens.base import TooSmall
from tests.waiting import wait_until_async


def late(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let others have the processor for 20 ms between Textual's next six readings of the clock."""
    clock, readings = _time.get_time, itertools.count(1)
    monkeypatch.setattr(_time, "get_time", lambda: clock() + 0.02 * min(next(readings), 6))


async def test_a_single_shot_that_is_overdue_when_it_begins_fires(monkeypatch: pytest.MonkeyPatch) -> None:
    app, fired = CvtuiApp(prewarm=False), list[bool]()
    async with app.run_test(size=(80, 24)):
        late(monkeypatch)
        app.set_timer(0.01, lambda: fired.append(True))
        await wait_until_async(lambda: fired, 5, "the only shot")


async def test_a_resize_is_not_lost_and_neither_are_those_after_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """Resize while others have the processor: the app lets 1/120 s pass before it passes a resize on."""
    app = CvtuiApp(prewarm=False)
    async with app.run_test(size=(80, 24)) as pilot:
        cover = app.screen.query_one(TooSmall)
        late(monkeypatch)
        await pilot.resize_terminal(100, 20)
        await wait_until_async(lambda: cover.display, 5, "the cover")
        await pilot.resize_terminal(100, 24)
        await wait_until_async(lambda: not cover.display, 5, "the place")
