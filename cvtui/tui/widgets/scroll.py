"""A text that scrolls by arrows and by letters."""

from __future__ import annotations

from typing import ClassVar

from textual.binding import BindingType
from textual.containers import VerticalScroll

from cvtui.tui.widgets.moves import SCROLLING


class Scroll(VerticalScroll):
    """A VerticalScroll that moves as all lists do."""

    BINDING_GROUP_TITLE = "The text"
    BINDINGS: ClassVar[list[BindingType]] = [*SCROLLING]
