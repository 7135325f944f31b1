"""The line at the head of a lab's page: start or stop, progress, result."""

from __future__ import annotations

from textual import events
from textual.content import Content
from textual.message import Message
from textual.widget import Widget

from cvtui.text import cut
from cvtui.tui.labs.lab_run import LabRun
from cvtui.tui.widgets import MUTED

BAR = 24
"""Cells of the bar where there is room."""


class ActionLine(Widget):
    """A click on its button is the key."""

    ALLOW_SELECT = False
    DEFAULT_CSS = """
    ActionLine { height: 1; width: 1fr; color: $foreground; }
    """

    class Pressed(Message):
        """The button was clicked."""

    def __init__(self) -> None:
        super().__init__()
        self.run: LabRun | None = None
        self.problem = ""
        """Why it could not be started."""
        self._button = 0

    def show(self, run: LabRun | None, problem: str = "") -> None:
        self.run, self.problem = run, problem
        self.refresh()

    @property
    def text(self) -> str:
        return self.render().plain

    def render(self) -> Content:
        run = self.run
        if run is not None and run.alive:
            button = Content.styled(" ■ Stop ", "bold $foreground on $error 35%")
            key = " x "
        else:
            button = Content.styled(" ▶ Start ", "bold $foreground on $primary 45%")
            key = " ctrl+r "
        self._button = button.cell_length
        head = Content.assemble(button, (key, MUTED), " ")
        return head + self._status(max(0, self.size.width - head.cell_length))

    def _status(self, room: int) -> Content:
        run = self.run
        if self.problem:
            return Content.styled(cut(self.problem, room), "$text-error")
        if run is None:
            return Content("")
        shown = run.shown
        seconds = f"{run.seconds:.1f} s"
        if run.alive:
            share = shown.progress if shown is not None else 0.0
            wide = max(6, min(BAR, room - 30))
            full = round(share * wide)
            doing = "stopping" if run.state == "stopping" else (shown.doing if shown is not None else "starting Python")
            return Content.assemble(
                ("━" * full, "$primary"),
                ("━" * (wide - full), "$foreground 20%"),
                (f" {share:4.0%}  {seconds}  ", "bold"),
                (cut(doing, max(0, room - wide - 8 - len(seconds) - 2)), MUTED),
            )
        if run.state == "stopped":
            return Content.assemble(("■ stopped ", "bold $text-warning"), (f"after {seconds}", MUTED))
        if run.state == "failed":
            return Content.styled(cut(f"✗ {run.reason}", room), "$text-error")
        return Content.assemble(("✓ done ", "bold $text-success"), (f"in {seconds}", MUTED))

    def on_click(self, event: events.Click) -> None:
        if event.x < self._button:
            self.post_message(self.Pressed())
