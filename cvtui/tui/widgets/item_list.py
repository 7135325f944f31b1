"""A list of items that moves as all lists do."""

from __future__ import annotations

from typing import ClassVar

from textual.binding import BindingType
from textual.widgets import OptionList

from cvtui.tui.widgets import page_keys
from cvtui.tui.widgets.moves import LISTING
from cvtui.tui.widgets.reversible import Reversible, cursor_style

page_keys.wait_for_lines()


class ItemList(Reversible, OptionList):
    """An OptionList with the letters that move."""

    DEFAULT_CSS = cursor_style("ItemList")
    BINDING_GROUP_TITLE = "The list"
    BINDINGS: ClassVar[list[BindingType]] = [*LISTING]
