"""A window that asks a question with two answers."""

from __future__ import annotations

from textual import on
from textual.app import ComposeResult
from textual.containers import Horizontal, Vertical
from textual.widgets import Button, Static

from cvtui.tui.widgets.modal import BoxModal


class ConfirmModal(BoxModal[bool]):
    """Return True for yes; no has the focus. Subclasses bind `y`, `n` and escape, each with its own words."""

    QUESTION, YES, NO = "", "", ""

    def __init__(self, text: str) -> None:
        """text: what a yes does."""
        super().__init__()
        self._text = text

    def compose(self) -> ComposeResult:
        with Vertical(classes="box") as box:
            box.border_title = self.QUESTION
            yield Static(self._text, markup=False)
            with Horizontal(classes="buttons"):
                yield Button(f"{self.YES} (y)", id="yes", variant="warning", compact=True)
                yield Button(f"{self.NO} (n)", id="no", compact=True)

    def on_mount(self) -> None:
        self.query_one("#no").focus()

    @on(Button.Pressed)
    def _pressed(self, event: Button.Pressed) -> None:
        self.dismiss(event.button.id == "yes")
