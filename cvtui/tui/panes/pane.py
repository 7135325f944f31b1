"""The frame of every pane: a titled border that brightens with the focus, and a rule when to draw."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Literal

from textual.app import ComposeResult
from textual.binding import BindingType
from textual.content import Content
from textual.message import Message
from textual.widget import Widget

from cvtui.tui.panes.view_state import ViewState

if TYPE_CHECKING:
    from cvtui.runlog.history import History

AROUND_SUBTITLE = 6
"""Cells of the lower border that are left to its corners, and to a blank on either side of its text."""


def whole_parts(text: str, of: Widget) -> Content:
    """Return what fits into a widget's lower border, in whole parts: `(epoch 13)` cut off after its 1 says another."""
    shown, room = Content(text), of.outer_size.width - AROUND_SUBTITLE
    while 0 < room < shown.cell_length and (less := shown.plain.rpartition(" · ")[0] or
                                            shown.plain.rpartition(" (")[0]):  # fmt: skip
        shown = Content(less)
    return shown


class Pane(Widget):
    """Base class of the panes. A subclass returns in `key` what it draws, and draws it in `draw`.

    `update_from` may be called at every poll: it calls `draw` only when `key` gives something new, so a pane that
    nothing happened to costs a comparison. Panes never read files and never send anything.
    """

    class Asked(Message):
        """The mouse chose the tab of another pane in this one's title."""

        def __init__(self, name: str) -> None:
            super().__init__()
            self.name = name

    NAME: ClassVar[str] = ""
    SLOT: ClassVar[Literal["curves", "tables"]] = "tables"
    """Where the pane stands: with the curves above, or with the tables below them."""
    TITLE: ClassVar[str] = ""
    KEY: ClassVar[str] = ""
    """The capital letter that brings it to the front."""
    TAB: ClassVar[str] = ""
    """Title as one tab of several; "": the same as TITLE."""
    BINDINGS: ClassVar[list[BindingType]] = []

    DEFAULT_CSS = """
    Pane {
        border: round $foreground 25%;
        border-title-color: $foreground 60%;
        border-subtitle-color: $foreground 60%;
        border-title-style: none;
        padding: 0 1;
        &:focus-within { border: round $primary; border-title-color: $foreground; }
    }
    """

    def __init__(self) -> None:
        super().__init__(id=f"pane-{self.NAME}", classes="pane")
        self.border_title = self.TITLE
        self._drawn: object = None
        self.waiting = False
        """There is something new that will be drawn a little later; then the live view asks again."""
        self._subtitle = ""

    @property
    def heading(self) -> str:
        """Title of the pane alone in its slot."""
        return self.TITLE

    @property
    def tab(self) -> str:
        """Title as one tab of several."""
        return self.TAB or self.TITLE

    def compose(self) -> ComposeResult:
        return iter(())

    def update_from(self, history: History, view: ViewState) -> bool:
        """Redraw if `key()` changed. Return True if redrawn."""
        key = self.key(history, view)
        if key == self._drawn:
            return False
        self._drawn = key
        self.draw(history, view)
        return True

    def has_content(self, history: History) -> bool:  # noqa: ARG002 - most panes are there for every run
        """Return False for a run that the pane has nothing to say of: then it has no place on the screen."""
        return True

    def key(self, history: History, view: ViewState) -> object:
        """Everything that the picture depends on, as something that can be compared."""
        return (history.version, view)

    def draw(self, history: History, view: ViewState) -> None:
        raise NotImplementedError

    def set_subtitle(self, text: str) -> None:
        """Set the text of the lower border, if it is new: setting it repaints the pane."""
        if text != self._subtitle:
            self._subtitle = text
            self._draw_subtitle()

    def on_resize(self) -> None:
        self._draw_subtitle()

    def _draw_subtitle(self) -> None:
        self.border_subtitle = whole_parts(self._subtitle, self)

    def action_reveal(self, name: str) -> None:
        self.post_message(self.Asked(name))

    def reset_zoom(self) -> None:
        """Reset the zoom; panes without one do nothing."""

    @property
    def inner(self) -> Widget:
        """What takes the focus for the pane."""
        for child in self.query("*"):
            if child.focusable:
                return child
        return self
