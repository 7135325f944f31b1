"""The keys that move in tables, lists, texts and help: arrows, and the letters of vi and less beside them."""

from __future__ import annotations

from textual.binding import Binding

UP, DOWN, TOP, BOTTOM = "up,k", "down,j", "home,g", "end,G,shift+g"
PAGE_UP, PAGE_DOWN = "pageup,ctrl+u", "pagedown,ctrl+d"


def moves(up: str, down: str, of: str = "", *, letters: bool = True) -> list[Binding]:
    """Return bindings of up and down; `of`: what is moved through, for the help page.

    letters: vi's too; among text fields the second `j` would be typed over what stands in the field below.
    """
    before, after = (f"{of} above", f"{of} below") if of else ("Up", "Down")
    return [
        Binding(UP if letters else "up", up, "Up", show=False, tooltip=before),
        Binding(DOWN if letters else "down", down, "Down", show=False, tooltip=after),
    ]


def jumps(page_up: str, page_down: str, top: str, bottom: str, *, letters: bool = True) -> list[Binding]:
    """Return bindings of a page up and down, the top and the bottom; `letters` as for `moves`."""
    return [
        Binding(PAGE_UP, page_up, "Page up", show=False, tooltip="Page up"),
        Binding(PAGE_DOWN, page_down, "Page down", show=False, tooltip="Page down"),
        Binding(TOP if letters else "home", top, "Top", show=False, tooltip="Top"),
        Binding(BOTTOM if letters else "end", bottom, "Bottom", show=False, tooltip="Bottom"),
    ]


SCROLLING = [*moves("scroll_up", "scroll_down"), *jumps("page_up", "page_down", "scroll_home", "scroll_end")]
"""Of a text that scrolls."""
LISTING = [*moves("cursor_up", "cursor_down"), *jumps("page_up", "page_down", "first", "last")]
"""Of an OptionList."""


def capital(key: str) -> str:
    """Return a capital letter as terminals spell it, for a binding."""
    return f"{key},shift+{key.lower()}"
