"""The field that `/` opens over a list: words that a line must hold."""

from __future__ import annotations

from collections.abc import Callable

from textual.widgets import Input

Keeps = Callable[..., bool]
"""Returns True for texts that hold each of the typed words."""


class FilterField(Input):
    """Hidden until it is opened. Its owner listens to Input.Changed, and closes it on escape.

    Hidden it can't have the focus, also not before styles are applied: a key that follows quickly on the one that
    opened its screen was typed into it.
    """

    DEFAULT_CSS = """
    FilterField { display: none; height: 1; border: none; padding: 0; background: $panel; }
    FilterField:focus { border: none; }
    """

    def __init__(self, placeholder: str) -> None:
        super().__init__(placeholder=placeholder, compact=True)
        self.cursor_blink = False
        self.can_focus = False

    def reveal(self) -> None:
        self.display = self.can_focus = True
        self.screen.set_focus(self)  # at once: `focus()` would come after the keys that were typed with this one

    def close(self) -> bool:
        """Empty and hide it. Return False if it was hidden."""
        was = bool(self.display)
        self.value, self.display, self.can_focus = "", False, False
        return was

    def keeps(self, *texts: str) -> bool:
        """Return True if each word that was typed is in one of the texts."""
        return all(any(word in text.lower() for text in texts) for word in self.value.lower().split())
