"""The list that a `Picker` opens over the form."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import ClassVar

from textual import events
from textual.binding import Binding, BindingType
from textual.content import Content
from textual.widget import Widget
from textual.widgets import OptionList
from textual.widgets.option_list import Option


class PickerList(OptionList):
    """Names with their line of explanation. Enter takes one, escape none, a letter goes to the next name with it."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "close", "Close"),
        Binding("tab", "close", "Close", show=False),
        Binding("space", "select", "Take", show=False),
    ]
    DEFAULT_CSS = """
    PickerList {
        overlay: screen; constrain: inside inflect;
        width: auto; max-width: 76; height: auto; max-height: 14;
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
        start = (self.highlighted or 0) + 1
        for index in [*range(start, len(self._names)), *range(start)]:
            if self._names[index].startswith(char.lower()):
                self.highlighted = index
                return

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
