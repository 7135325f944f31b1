"""The list that a `Picker` opens over the form."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import ClassVar

from textual import events
from textual.binding import Binding, BindingType
from textual.content import Content
from textual.widget import Widget
from textual.widgets import OptionList
from textual.widgets.option_list import Option

from cvtui.tui.widgets.reversible import Reversible

TYPED_SECONDS = 1.5
"""Letters that follow each other within this make one word."""


class PickerList(Reversible, OptionList):
    """Names with their line of explanation. Enter takes one, escape none; letters go to the name that has them."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "close", "Close"),
        Binding("tab", "close", "Close", show=False),
        Binding("space", "select", "Take", show=False),
    ]
    DEFAULT_CSS = """
    PickerList {
        overlay: screen; constrain: inside inflect;
        width: auto; max-width: 100vw; height: auto; max-height: 14; text-wrap: nowrap; text-overflow: ellipsis;
        offset: -1 1; padding: 0; background: $panel; border: round $primary;
        & > .option-list--option-highlighted { background: $primary 35%; color: $foreground; text-style: none; }
        &:focus > .option-list--option-highlighted { background: $primary 35%; color: $foreground; text-style: none; }
        &:focus { border: round $primary; background-tint: $foreground 0%; }
    }
    """

    def __init__(self, choices: Mapping[str, str], value: str, take: Callable[[str], None]) -> None:
        """`take` is called with the name that is chosen."""
        wide = max((len(name) for name in choices), default=0)
        super().__init__(
            *(
                Option(Content.assemble((name.ljust(wide), "bold"), "  ", (summary, "$foreground 70%")), id=name)
                for name, summary in choices.items()
            )
        )
        self._names = list(choices)
        self._value = value
        self._take = take
        self._typed = ""
        self._typed_at = 0.0

    def on_mount(self) -> None:
        self.highlighted = self._names.index(self._value) if self._value in self._names else 0
        self.focus()

    def on_key(self, event: events.Key) -> None:
        """Letters and digits are for the list while it is open, not for the place below it."""
        char = event.character
        if event.key == "space" or char is None or not char.isprintable():
            return
        event.stop()
        event.prevent_default()
        now = time.monotonic()
        before = self._typed if now - self._typed_at < TYPED_SECONDS else ""
        self._typed_at = now
        for typed in dict.fromkeys([before + char.lower(), char.lower()]):
            index = self._next(typed)
            if index is not None:
                self.highlighted, self._typed = index, typed
                return

    def _next(self, typed: str) -> int | None:
        """Return the next name that begins with what was typed, or holds it; one letter goes on from here."""
        start = (self.highlighted or 0) + (len(typed) == 1)
        places = [*range(start, len(self._names)), *range(min(start, len(self._names)))]
        names = [name.lower() for name in self._names]
        begins = next((place for place in places if names[place].startswith(typed)), None)
        return begins if begins is not None else next((place for place in places if typed in names[place]), None)

    def on_option_list_option_selected(self, event: OptionList.OptionSelected) -> None:
        event.stop()
        if event.option_id:
            self._take(event.option_id)
        self.action_close()

    def action_close(self) -> None:
        if self.has_focus and isinstance(self.parent, Widget):
            self.parent.focus()
        self.remove()

    def on_blur(self) -> None:
        if self.screen.focused is not self:
            self.remove()
