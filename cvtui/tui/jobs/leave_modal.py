"""Window that asks whether to quit while jobs run."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical
from textual.widgets import Button, Static

from cvtui.text import clean
from cvtui.tui.train.modals import BOX
from cvtui.tui.widgets.modal import Modal


class LeaveJobsModal(Modal[bool]):
    """Return True to cancel them and quit."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,n", "dismiss(False)", "Stay"),
        Binding("y", "dismiss(True)", "Cancel and quit"),
    ]
    DEFAULT_CSS = BOX.format(name="LeaveJobsModal")

    def __init__(self, titles: Sequence[str]) -> None:
        super().__init__()
        self._titles = list(titles)

    def compose(self) -> ComposeResult:
        with Vertical(classes="box") as box:
            box.border_title = "Quit: a job is running"
            yield Static(f"{clean(', '.join(self._titles))}: quitting cancels it.", markup=False)
            with Horizontal(classes="buttons"):
                yield Button("Cancel and quit (y)", id="yes", variant="warning", compact=True)
                yield Button("Stay (n)", id="no", compact=True)

    def on_mount(self) -> None:
        self.query_one("#no").focus()

    @on(Button.Pressed)
    def _pressed(self, event: Button.Pressed) -> None:
        self.dismiss(event.button.id == "yes")
