"""Keys as terminals send them, where Textual reads them otherwise."""

from __future__ import annotations

from typing import Any, cast

from textual._ansi_sequences import ANSI_SEQUENCES_KEYS


def let_alt_digits_through() -> None:
    """Have alt+1 … alt+9 be those keys: Textual 8.2 takes ESC 2 for the letter that option+2 types on a Mac (™)."""
    known = cast("dict[str, Any]", ANSI_SEQUENCES_KEYS)
    for digit in "123456789":
        known.pop(f"\x1b{digit}", None)
