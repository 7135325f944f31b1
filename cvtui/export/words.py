"""Text of a run in a page: no markup of its own is obeyed, and nothing that a terminal would obey is written."""

from __future__ import annotations

import html

from cvtui.text import harmless


def escape(text: str) -> str:
    """Escape `text` for HTML and SVG."""
    return html.escape(harmless(text, lines=True))
