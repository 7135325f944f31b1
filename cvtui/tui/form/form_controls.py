"""What stands around the form: the tabs of a narrow screen, and the button that starts the run."""

from __future__ import annotations

from typing import ClassVar

from textual import events
from textual.binding import Binding, BindingType
from textual.content import Content
from textual.message import Message
from textual.widget import Widget


class Tabs(Widget):
    """Where form and preview don't fit side by side: which of them is shown."""

    DEFAULT_CSS = """
    Tabs { height: 1; width: 1fr; display: none; padding: 0 1; pointer: pointer; }
    """

    class FoldAsked(Message):
        def __init__(self, preview: bool) -> None:
            super().__init__()
            self.preview = preview

    def __init__(self) -> None:
        super().__init__()
        self.preview = False

    def show(self, preview: bool) -> None:
        self.preview = preview
        self.refresh()

    def render(self) -> Content:
        on, off = "bold $text-primary", "$foreground 60%"
        return Content.assemble(
            ("Recipe", off if self.preview else on),
            ("  │  ", "$foreground 25%"),
            ("Preview", on if self.preview else off),
            ("   ctrl+o", "$foreground 40%"),
        )

    def on_click(self, event: events.Click) -> None:
        self.post_message(self.FoldAsked(event.x > len(" Recipe  ")))


class StartButton(Widget, can_focus=True):
    """Button for enter, space or a click; Textual's brings 200 lines of style rules into the first frame."""

    ALLOW_SELECT = False
    BINDINGS: ClassVar[list[BindingType]] = [Binding("enter,space", "press", "Start", show=False)]
    DEFAULT_CSS = """
    StartButton {
        width: 18; height: 1; content-align: center middle; text-style: bold; pointer: pointer;
        background: $primary 70%; color: $background;
        &:hover { background: $primary 85%; }
        &:focus { background: $primary; }
        &.-blocked { background: $surface; color: $foreground 50%; }
        &.-blocked:focus { background: $surface-lighten-2; }
    }
    """

    class Pressed(Message):
        pass

    def render(self) -> Content:
        return Content("▶ Start  ctrl+r")

    def action_press(self) -> None:
        self.post_message(self.Pressed())

    def on_click(self) -> None:
        self.action_press()
