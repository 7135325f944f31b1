"""Words and numbers for people: made harmless to a terminal, rounded, in units."""

from __future__ import annotations


def harmless(text: str) -> str:
    """Return `text` in one line without terminal controls: control characters become U+FFFD."""
    return "".join(sign if sign.isprintable() else " " if sign in "\n\t" else "\ufffd" for sign in text)


def duration(seconds: float) -> str:
    """Format seconds as `3.2 s`, `4:05` or `1:02:03`."""
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
