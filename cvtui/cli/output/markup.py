"""Text in rich's markup."""

from __future__ import annotations


def escaped(text: str) -> str:
    """Return the text so that rich's markup shows it as it is."""
    return text.replace("[", r"\[")
