"""A list of items that moves as all lists do."""

from __future__ import annotations

from typing import ClassVar

from textual.binding import BindingType
from textual.widgets import OptionList

from cvtui.tui.widgets.moves import LISTING


class ItemList(OptionList):
    """An OptionList with the letters that move."""

    BINDING_GROUP_TITLE = "The list"
    BINDINGS: ClassVar[list[BindingType]] = [*LISTING]
