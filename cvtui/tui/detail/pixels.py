"""Real pixels (Sixel, or kitty's graphics) where the terminal has them, through the optional library textual-image.

The library asks the terminal, on its first import, what it can do, and reads the answer from stdin. Textual reads stdin
too, from its start on, so the app steps aside for that moment (`App.suspend`, some 0.2 s, once).
"""

from __future__ import annotations

import importlib.util
import sys
from typing import TYPE_CHECKING, Any, NamedTuple

from textual.app import SuspendNotSupported

if TYPE_CHECKING:
    from textual.app import App
    from textual.widget import Widget

LIBRARY = "textual_image"
NOT_INSTALLED = "Real pixels need the library textual-image: pip install 'cvtui[images]'"
NOT_HERE = "This terminal shows no pictures of its own (Sixel, or kitty's graphics): half blocks stay."


class Pixels(NamedTuple):
    """How real pixels get onto this terminal."""

    widget: type[Widget]
    """Takes a PIL image; `image` is its property."""
    cell: tuple[int, int]
    """Width and height of a character in pixels."""


_found: dict[str, Pixels | None] = {}
"""What the terminal answered; asked once a process."""


def installed() -> bool:
    return importlib.util.find_spec(LIBRARY) is not None


def pixels_of(app: App[Any]) -> Pixels | None:
    """None where the library is not installed, or the terminal can't show pictures."""
    if "" not in _found:
        _found[""] = _ask(app) if installed() else None
    return _found[""]


def _ask(app: App[Any]) -> Pixels | None:
    if sys.__stdout__ is None or not sys.__stdout__.isatty():
        return None
    try:
        with app.suspend():
            return _import()
    except SuspendNotSupported:  # in a browser, in a test
        return None


def _import() -> Pixels | None:
    """Query the terminal by importing the library; any failure falls back to half blocks."""
    try:
        from textual_image._terminal import get_cell_size
        from textual_image.renderable import Image, SixelImage, TGPImage
        from textual_image.widget import Image as Shown

        cell = get_cell_size()
    except Exception:
        return None
    if Image not in (SixelImage, TGPImage):
        return None
    return Pixels(Shown, (max(1, cell.width), max(1, cell.height)))
