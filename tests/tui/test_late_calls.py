"""Calls after the next refresh, of a widget that is on its way out."""

from __future__ import annotations

import pytest
from textual.app import App, ComposeResult
from textual.css.query import NoMatches
from textual.widgets import Static

from cvtui.tui.widgets.late_calls import LateCalls
from tests.waiting import wait_until_async


class Drawn(LateCalls, Static):
    drawn = 0

    def draw(self) -> None:
        self.drawn += 1
        self.query_one("#layers")


class Host(App[None]):
    def compose(self) -> ComposeResult:
        yield Drawn()


@pytest.mark.parametrize("leaving", [True, False])
async def test_a_widget_on_its_way_out_misses_its_children_quietly(leaving: bool) -> None:
    """What is being removed says that it is not displayed; its children go before it does."""
    app = Host()

    async def draw() -> None:
        async with app.run_test():
            widget = app.query_one(Drawn)
            widget.display = not leaving
            widget.call_after_refresh(widget.draw)
            await wait_until_async(lambda: widget.drawn, what="the late call")

    if leaving:
        await draw()
        return
    with pytest.raises(NoMatches):  # a fault of ours is still one
        await draw()
