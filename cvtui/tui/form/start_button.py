"""The form's button."""

from __future__ import annotations

from typing import ClassVar

from textual.binding import Binding, BindingType
from textual.content import Content
from textual.message import Message
from textual.widget import Widget


class StartButton(Widget, can_focus=True):
    """Button for enter, space or a click; Textual's brings 200 lines of style rules into the first frame."""

    ALLOW_SELECT = False
    BINDINGS: ClassVar[list[BindingType]] = [Binding("enter,space", "press", "Start", show=False)]
    DEFAULT_CSS = """
    StartButton {
        width: 18; height: 1; content-align: center middle; text-style: bold; pointer: pointer;
        background: $primary 45%; color: $foreground;
        &:hover { background: $primary 35%; }
        &:focus { background: $primary; color: $background; }
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
