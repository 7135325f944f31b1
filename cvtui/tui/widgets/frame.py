"""Titled frames, as the panes of a run have them."""

from textual.containers import Vertical


class Frame(Vertical):
    """A titled frame."""

    DEFAULT_CSS = """
    Frame {
        border: round $foreground 25%; padding: 0 1;
        border-title-color: $foreground 60%; border-subtitle-color: $foreground 60%; border-title-style: none;
    }
    """


class Card(Frame):
    """A frame that brightens with the focus, as the panes of a run do."""

    DEFAULT_CSS = "Card:focus-within { border: round $primary; border-title-color: $foreground; }"
