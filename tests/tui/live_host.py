"""An app around one live view, and what tests ask of it."""

from __future__ import annotations

from textual.app import App, ComposeResult
from textual.containers import Container

from cvtui.runlog.folder import RunFolder
from cvtui.tui.panes.curve_pane import CurvePane
from cvtui.tui.panes.styled_lines import StyledLines
from cvtui.tui.plot.line_plot import Line
from cvtui.tui.train import LiveView
from cvtui.tui.train.run_commands import Left
from cvtui.tui.widgets.key_bar import KeyBar


class LiveHost(App[None]):
    """The live view of `folder`; `bar` adds the bar of keys below it."""

    def __init__(self, folder: RunFolder, *, bar: bool = False) -> None:
        super().__init__()
        self.folder = folder
        self.left: list[str] = []
        self.states: list[str] = []
        self._bar = bar

    def compose(self) -> ComposeResult:
        with Container(id="body"):
            yield LiveView(self.folder)
        if self._bar:
            yield KeyBar()

    @property
    def live(self) -> LiveView:
        return self.query_one(LiveView)

    def on_live_view_left(self, event: Left) -> None:
        self.left.append(event.choice)

    def on_live_view_state_changed(self, event: LiveView.StateChanged) -> None:
        self.states.append(event.state)

    def on_screen(self) -> set[str]:
        """Panes that the compositor really places."""
        return {pane.NAME for pane in self.live.grid.panes.values() if pane.region.size and pane.is_on_screen}

    def curve(self, name: str) -> CurvePane:
        pane = self.live.pane(name)
        assert isinstance(pane, CurvePane)
        return pane

    def lines(self, name: str) -> dict[str, Line]:
        """Lines of a curve pane, by name."""
        return {line.name: line for line in self.curve(name).plot.lines}

    def text(self, name: str) -> str:
        """All lines of a pane of text."""
        return self.live.pane(name).query_one(StyledLines).text

    def subtitle(self, name: str) -> str:
        return str(self.live.pane(name).border_subtitle)
