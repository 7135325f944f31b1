"""An app that holds one LinePlot, and where things stand in its picture."""

from __future__ import annotations

import math
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import numpy as np
from textual.app import App, ComposeResult
from textual.color import Color
from textual.pilot import Pilot

from cvtui.draw.plot_scene import PlotFrame
from cvtui.tui.plot.line_plot import Line, LinePlot

NAN = math.nan


class Stage(App[None]):
    """A plot on the whole screen, and the messages that came from it."""

    def __init__(self, setup: Callable[[LinePlot], object] = lambda _: None) -> None:
        super().__init__()
        self.setup = setup
        self.told: list[object] = []

    def compose(self) -> ComposeResult:
        yield LinePlot()

    def on_mount(self) -> None:
        self.setup(self.query_one(LinePlot))

    def on_line_plot_zoomed(self, message: LinePlot.Zoomed) -> None:
        self.told.append(message)

    def on_line_plot_cursor_moved(self, message: LinePlot.CursorMoved) -> None:
        self.told.append(message)


@asynccontextmanager
async def shown(
    setup: Callable[[LinePlot], object] = lambda _: None, size: tuple[int, int] = (80, 24)
) -> AsyncIterator[tuple[LinePlot, Pilot[None], Stage]]:
    app = Stage(setup)
    async with app.run_test(size=size) as pilot:
        await pilot.pause()
        yield app.query_one(LinePlot), pilot, app


def line(count: int = 1000, name: str = "loss", **more: object) -> Line:
    x = np.arange(count)
    return Line(name, x, 2.0 * np.exp(-x / 300.0), **more)  # type: ignore[arg-type]


def frame_of(plot: LinePlot) -> PlotFrame:
    """Where things lie in a plot that has room for them."""
    assert plot._frame is not None
    return plot._frame


def column_of(plot: LinePlot, x: float) -> int:
    """Dot column of an x in view."""
    column = frame_of(plot).column_of(x)
    assert column is not None
    return column


def row_of(plot: LinePlot, y: float) -> int:
    """Dot row of a y in view."""
    row = frame_of(plot).row_of(y)
    assert row is not None
    return row


def axis_row(plot: LinePlot) -> int:
    """Row of the widget in which the x axis stands."""
    row = frame_of(plot).axis_row
    assert row is not None
    return row


def rows(plot: LinePlot) -> list[str]:
    return plot.text.split("\n")


def colours(plot: LinePlot, wanted: Callable[[str], bool]) -> set[Color]:
    """Colours of the segments whose text is wanted."""
    return {
        Color.from_rich_color(segment.style.color)
        for strip in (plot.render_line(y) for y in range(plot.size.height))
        for segment in strip
        if segment.style and segment.style.color and wanted(segment.text)
    }


def braille(text: str) -> bool:
    return any("\u2800" < character <= "\u28ff" for character in text)
