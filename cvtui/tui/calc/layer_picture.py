"""The picture of the layer under the cursor, which can be stepped through and played."""

from __future__ import annotations

from textual.content import Content
from textual.strip import Strip
from textual.timer import Timer
from textual.widget import Widget

from cvtui.calc import Row, Size
from cvtui.tui.calc.pictures import VIEWS, View, draw, positions_of
from cvtui.tui.plot.theme_colors import readable_strip

STEP_SECONDS = 0.6
"""Seconds between two steps while it plays."""


class LayerPicture(Widget):
    """Shows one of VIEWS for a row; `step` moves the filter or the unit, `play` does it by itself while visible."""

    DEFAULT_CSS = "LayerPicture { width: 1fr; height: 1fr; }"

    def __init__(self) -> None:
        super().__init__()
        self.row: Row | None = None
        self.input: Size = (1, 1, 1)
        self.view = "filter"
        self.position = 0
        self._timer: Timer | None = None

    def on_mount(self) -> None:
        self._timer = self.set_interval(STEP_SECONDS, self.step, pause=True)

    def on_hide(self) -> None:
        self.play(False)

    @property
    def playing(self) -> bool:
        return self._timer is not None and self._timer._active.is_set()

    def show_row(self, row: Row | None, size: Size) -> None:
        """Show another layer, from its first position (the receptive field from the middle)."""
        if row is not None and self.row is not None and row.name == self.row.name and row.node == self.row.node:
            self.row, self.input = row, size
        else:
            self.row, self.input = row, size
            self._begin()
        self.refresh()

    def show_view(self, name: str) -> None:
        self.view = name
        self._begin()
        self.refresh()

    def next_view(self) -> str:
        names = list(VIEWS)
        self.show_view(names[(names.index(self.view) + 1) % len(names)])
        return self.view

    def step(self, by: int = 1) -> None:
        """Move to the next filter position, or the next unit; wrap around after the last."""
        self.position = (self.position + by) % max(1, positions_of(self.row, self.view))
        self.refresh()

    def play(self, on: bool | None = None) -> None:
        """Start or stop stepping; None toggles."""
        if self._timer is None:
            return
        on = not self.playing if on is None else on
        if on:
            self._timer.resume()
        else:
            self._timer.pause()
        self.refresh()

    def _begin(self) -> None:
        positions = positions_of(self.row, self.view)
        self.position = positions // 2 if self.view in ("field", "connections") else 0

    def render(self) -> Content:
        lines = draw(
            self.row, View(self.view, self.position), self.input, max(1, self.size.width), max(1, self.size.height)
        )
        return Content("\n").join(lines)

    def render_line(self, y: int) -> Strip:
        return readable_strip(super().render_line(y))

    @property
    def text(self) -> str:
        """What is drawn, without colour."""
        return self.render().plain
