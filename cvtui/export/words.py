"""Words of a run in a page: no markup of theirs is obeyed, and nothing that a terminal would obey is written."""

from __future__ import annotations

import html


def plain(text: str) -> str:
    """`text` with every control and direction character as U+FFFD (newlines stay)."""
    return "".join(sign if sign.isprintable() or sign == "\n" else " " if sign == "\t" else "\ufffd" for sign in text)


def escape(text: str) -> str:
    """`text` for HTML and SVG."""
    return html.escape(plain(text))
