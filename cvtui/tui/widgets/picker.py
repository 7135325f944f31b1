"""One of a few words, on one line: the arrows go through them, enter or a click opens them as a list."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, ClassVar

from textual import events
from textual.binding import Binding, BindingType
from textual.content import Content
from textual.css.query import NoMatches
from textual.message import Message
from textual.reactive import reactive
from textual.widget import Widget

if TYPE_CHECKING:
    from cvtui.tui.widgets.picker_list import PickerList


class Picker(Widget, can_focus=True):
    """A single widget where Textual's Select is five: a form with many of them paints its first frame sooner."""

    ALLOW_SELECT = False
    BINDING_GROUP_TITLE = "A list of choices"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter,space", "open", "Choose", tooltip="Open the list of choices"),
        Binding("left", "step(-1)", "Choice before", show=False),
        Binding("right", "step(1)", "Next choice", show=False),
    ]
    DEFAULT_CSS = """
    Picker {
        height: 1; width: 1fr; background: $surface; color: $foreground; padding: 0 1;
        pointer: pointer;
        &:hover { background: $surface-lighten-1; }
        &:focus { background: $primary 30%; text-style: bold; }
    }
    """

    value: reactive[str] = reactive("")

    class Changed(Message):
        def __init__(self, picker: Picker, value: str) -> None:
            super().__init__()
            self.picker, self.value = picker, value

    class Taken(Message):
        """A choice was taken from the open list, the same one perhaps."""

        def __init__(self, picker: Picker) -> None:
            super().__init__()
            self.picker = picker

    def __init__(self, value: str, choices: Mapping[str, str], *, classes: str = "") -> None:
        """`choices`: name -> what it is, in one line."""
        super().__init__(classes=classes)
        self.choices = dict(choices)
        self.set_reactive(Picker.value, value)

    def render(self) -> Content:
        wide = self.content_size.width
        text = self.value if len(self.value) <= wide - 2 else self.value[: wide - 3] + "…"
        return Content.assemble(text.ljust(max(0, wide - 1)), ("▾", "$foreground 60%"))

    def watch_value(self, value: str) -> None:
        if self.is_mounted:
            self.post_message(self.Changed(self, value))

    def action_step(self, by: int) -> None:
        names = list(self.choices)
        place = names.index(self.value) + by if self.value in names else 0
        self.value = names[min(max(place, 0), len(names) - 1)]

    def _take(self, name: str) -> None:
        self.value = name
        self.post_message(self.Taken(self))

    @property
    def list(self) -> PickerList | None:
        """The open list."""
        from cvtui.tui.widgets.picker_list import PickerList

        try:
            return self.query_one(PickerList)
        except NoMatches:
            return None

    async def action_open(self) -> None:
        from cvtui.tui.widgets.picker_list import PickerList  # OptionList costs time, and is needed only now

        if self.list is None:
            await self.mount(PickerList(self.choices, self.value, self._take))

    async def on_click(self, event: events.Click) -> None:
        event.stop()
        if event.widget is self:
            await self.action_open()
