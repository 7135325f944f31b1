"""The line above the form on a narrow screen: form or preview."""

from __future__ import annotations

from textual import events
from textual.content import Content
from textual.message import Message
from textual.widget import Widget


class Tabs(Widget):
    """Where form and preview don't fit side by side: which of them is shown."""

    DEFAULT_CSS = """
    Tabs { height: 1; width: 1fr; display: none; padding: 0 1; pointer: pointer; }
    """

    class Asked(Message):
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
            ("   ctrl+o", "$foreground 60%"),
        )

    def on_click(self, event: events.Click) -> None:
        self.post_message(self.Asked(event.x > len(" Recipe  ")))
