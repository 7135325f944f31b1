"""Keys and pastes as terminals send them, where Textual reads them otherwise."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any, cast

from textual._ansi_sequences import ANSI_SEQUENCES_KEYS
from textual._xterm_parser import XTermParser
from textual.events import Key
from textual.keys import KEY_TO_UNICODE_NAME, REPLACED_KEYS, key_to_character

BEGIN, END = "\x1b[200~", "\x1b[201~"
"""Around what is pasted (bracketed paste, mode 2004)."""
CONTROLS = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]")
"""All but tab and the ends of lines."""


def let_alt_digits_through() -> None:
    """Have alt+1 … alt+9 be those keys: Textual 8.2 takes ESC 2 for the letter that option+2 types on a Mac (™)."""
    known = cast("dict[str, Any]", ANSI_SEQUENCES_KEYS)
    for digit in "123456789":
        known.pop(f"\x1b{digit}", None)


def know_all_signs() -> None:
    """Have `/`, `-` and the like be no keys of a place while a field takes them: Textual 8.2 knows not their signs."""
    for key, other in REPLACED_KEYS.items():
        KEY_TO_UNICODE_NAME.setdefault(key, KEY_TO_UNICODE_NAME.get(other, other.replace("_", " ").upper()))
    key_to_character.cache_clear()


BEGINS = "[]OPX^_"
"""What may follow ESC in a sequence of the terminal's own; those unknown to Textual come character by character."""


def take_escape_and_the_next_key_apart() -> None:
    """Have ESC and a key that come together be both keys, as when `esc` and `z` are typed on a slow line, or fast.

    Textual 8.2 takes ESC z for alt+z, which means nothing here, and ESC / for the slash alone. Alt+digit stays one key.
    """
    known = cast("dict[str, Any]", ANSI_SEQUENCES_KEYS)
    for sign in "-=0":  # taken for the letters of option+sign on a Mac
        known.pop(f"\x1b{sign}", None)
    keys_of = XTermParser._sequence_to_key_events
    if hasattr(keys_of, "apart"):
        return

    def apart(parser: XTermParser, sequence: str, alt: bool = False) -> Iterable[Key]:
        one = not alt or sequence in BEGINS or sequence in "123456789"
        return keys_of(parser, sequence, alt) if one else [Key("escape", "\x1b"), *keys_of(parser, sequence)]

    apart.apart = True  # type: ignore[attr-defined]
    XTermParser._sequence_to_key_events = apart  # type: ignore[assignment,method-assign]


class Pastes:
    """The input of a terminal, piece by piece; what is pasted comes out without control characters."""

    def __init__(self) -> None:
        self._inside = False
        self._before = ""
        """The last characters, where the begin of a paste may lie over two pieces."""
        self._held = ""
        """The same for its end."""

    def take(self, data: str) -> str:
        """Return the next piece."""
        data, self._held = self._held + data, ""
        parts = []
        while data:
            if not self._inside:
                place = (self._before + data).find(BEGIN)
                end = len(data) if place < 0 else place + len(BEGIN) - len(self._before)
                self._inside = place >= 0
                parts.append(data[:end])
                self._before = "" if self._inside else (self._before + data)[1 - len(BEGIN) :]
            else:
                place = data.find(END)
                held = next((size for size in range(len(END) - 1, 0, -1) if data.endswith(END[:size])), 0)
                end = len(data) - held if place < 0 else place
                parts.append(CONTROLS.sub("", data[:end]))
                if place < 0:
                    self._held = data[end:]
                    break
                parts.append(END)
                end, self._inside = end + len(END), False
            data = data[end:]
        return "".join(parts)


def take_pastes_as_text() -> None:
    """Have a paste be text alone: an ESC in it ends it for Textual 8.2, and the rest of it is keys that are obeyed."""
    feed = XTermParser.feed
    if hasattr(feed, "pastes"):
        return

    def cleaned(parser: XTermParser, data: str) -> Iterable[Any]:
        pastes = vars(parser).setdefault("cvtui_pastes", Pastes())
        text = pastes.take(data) if data else ""
        return feed(parser, text) if text or not data else ()

    cleaned.pastes = True  # type: ignore[attr-defined]
    XTermParser.feed = cleaned  # type: ignore[assignment,method-assign]
