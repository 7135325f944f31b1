"""Window that asks how to resume a run that ended early."""

from __future__ import annotations

from typing import ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical
from textual.widgets import Button, Static

from cvtui.runlog.history import History
from cvtui.runlog.slower import slower_rate
from cvtui.text import clean, count
from cvtui.tui.widgets.modal import BoxModal

RESUMABLE = ("stopped", "lost", "diverged", "failed")
"""States of a run that ended early."""


class ResumeModal(BoxModal[str | None]):
    """Asks how to go on: "" as it was, "/10" with a lower rate, None not at all."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("u", "dismiss('')", "Resume"),
        Binding("l", "slower", "Rate", tooltip="Resume with a lower rate: the doctor's, or a tenth"),
        Binding("escape", "dismiss(None)", "Leave it"),
    ]

    def __init__(self, history: History) -> None:
        super().__init__()
        self._history = history
        self._diverged = history.state() == "diverged"
        self._slower = slower_rate(history)

    def compose(self) -> ComposeResult:
        with Vertical(classes="box") as box:
            box.border_title = "Resume the run?"
            yield Static(self._where(), markup=False)
            if self._diverged:
                yield Static("At the same rate it would most likely diverge again.", classes="quiet", markup=False)
            with Horizontal(classes="buttons"):
                lower, same = "primary" if self._diverged else "default", "default" if self._diverged else "primary"
                yield Button("Resume (u)", id="same", variant=same, compact=True)  # type: ignore[arg-type]
                words = f"With rate {self._slower.replace('/', '/ ')} (l)"
                yield Button(words, id="lower", variant=lower, compact=True)  # type: ignore[arg-type]
                yield Button("Leave it", id="cancel", compact=True)

    def _where(self) -> str:
        last = max(self._history.checkpoints, key=lambda saved: saved.step, default=None)
        if last is None:
            return "There is no checkpoint yet: it starts again, with the same initial weights."
        return f"It resumes from {clean(last.path)}, step {count(last.step)}; later steps are done again."

    def action_slower(self) -> None:
        self.dismiss(self._slower)

    def on_mount(self) -> None:
        self.query_one("#lower" if self._diverged else "#same").focus()

    @on(Button.Pressed)
    def _pressed(self, event: Button.Pressed) -> None:
        self.dismiss({"same": "", "lower": self._slower}.get(event.button.id or ""))
