"""A pane of lines of text."""

from __future__ import annotations

from typing import ClassVar

from textual.app import ComposeResult

from cvtui.tui.panes.pane import Pane
from cvtui.tui.panes.styled_lines import StyledLines


class TextPane(Pane):
    """Base of the panes whose `draw` sets the lines of a StyledLines."""

    FOLLOWS: ClassVar[bool] = False
    """New lines at its end are scrolled to."""

    def compose(self) -> ComposeResult:
        yield StyledLines(follow=self.FOLLOWS)

    @property
    def text(self) -> str:
        return self.query_one(StyledLines).text
