"""A list with the field that `/` opens over it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import ClassVar

from rich.segment import Segment
from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.strip import Strip
from textual.widget import Widget
from textual.widgets import Input, OptionList, SelectionList, Static
from textual.widgets.option_list import Option

from cvtui.tui.widgets.filter_field import FilterField, Keeps
from cvtui.tui.widgets.item_list import ItemList
from cvtui.tui.widgets.moves import LISTING
from cvtui.tui.widgets.reversible import Reversible, cursor_style


class TickList(Reversible, SelectionList[str]):
    """A SelectionList with the letters that move; its ticks can be read without colours."""

    DEFAULT_CSS = cursor_style("TickList")
    BINDING_GROUP_TITLE = "The list"
    BINDINGS: ClassVar[list[BindingType]] = [*LISTING]

    def render_line(self, y: int) -> Strip:
        """Draw the box of an entry without a tick empty: Textual's own differ by colour alone."""
        line = super().render_line(y)
        place = self.scroll_offset.y + y
        if place >= self.option_count or self.get_option_at_index(place).value in self.selected:
            return line
        parts = [*line]
        parts[1] = Segment(" " * parts[1].cell_length, parts[1].style)
        return Strip(parts)


class Filtered(Vertical):
    """A widget with the field that `/` opens over it; what is listed of it is left to `narrow`."""

    BINDING_GROUP_TITLE = "Filter"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("slash", "filter", "Filter", key_display="/", tooltip="Show some: words that a line must hold"),
        Binding("escape", "all", "All", show=False, tooltip="Show all again"),
    ]
    DEFAULT_CSS = """
    Filtered {
        height: 1fr;
        & > .no-match { display: none; color: $text-warning; height: 1; }
    }
    """

    def __init__(self, inner: Widget, narrow: Callable[[Keeps], bool], words: str = "") -> None:
        """`narrow` shows what the predicate keeps, and says whether that is anything; `words`: a hint."""
        super().__init__()
        self._inner_widget, self._narrow = inner, narrow
        self._field = FilterField(words or "words that a line holds")
        self._missing = Static("", classes="no-match", markup=False)

    def compose(self) -> ComposeResult:
        yield self._field
        yield self._inner_widget
        yield self._missing

    def narrow(self) -> None:
        """Show what the field keeps, and say where that is nothing."""
        self._missing.display = not self._narrow(self._field.keeps)
        self._missing.update(f"no match for {self._field.value!r}")

    def action_filter(self) -> None:
        self._field.reveal()

    def action_all(self) -> None:
        self._field.close()
        self._inner_widget.focus()

    def check_action(self, action: str, _parameters: tuple[object, ...]) -> bool | None:
        """Leave esc to the window where nothing is hidden."""
        return action != "all" or bool(self._field.display)

    @on(Input.Changed)
    def _filter(self, event: Input.Changed) -> None:
        event.stop()
        self.narrow()
        self.refresh_bindings()

    @on(Input.Submitted)
    def _filtered(self, event: Input.Submitted) -> None:
        event.stop()
        self._inner_widget.focus()


class FilteredList(Filtered):
    """Shows those of its entries that hold the typed words; the cursor stays on its entry where that is listed."""

    DEFAULT_CSS = """
    FilteredList {
        height: auto;
        & OptionList { height: auto; border: none; padding: 0; background: transparent; }
    }
    """

    def __init__(
        self,
        texts: Mapping[str, str],
        option: Callable[[str], Option],
        inner: OptionList | None = None,
        words: str = "",
    ) -> None:
        """`texts`: what the words are looked for in, by key; `option` makes an entry of its key; `words`: a hint."""
        self._texts = texts
        self._option = option
        self._inner = inner if inner is not None else ItemList(compact=True)
        super().__init__(self._inner, self._fill, words)
        self.keys: list[str] = []
        """Of the entries that are listed."""

    def on_mount(self) -> None:
        self.narrow()

    @property
    def key(self) -> str | None:
        """The entry under the cursor."""
        place = self._inner.highlighted
        return self.keys[place] if place is not None and place < len(self.keys) else None

    def go_to(self, key: str) -> None:
        """Put the cursor on an entry."""
        if key in self.keys:
            self._inner.highlighted = self.keys.index(key)

    def update(self) -> None:
        """Make the entries anew."""
        self.narrow()

    def _fill(self, keeps: Keeps) -> bool:
        key = self.key
        self.keys = [one for one, text in self._texts.items() if keeps(text)]
        self._inner.clear_options()
        self._inner.add_options([self._option(one) for one in self.keys])
        if self.keys:
            self._inner.highlighted = self.keys.index(key) if key in self.keys else 0
        return bool(self.keys) or not self._texts
