"""Accuracies that a custom loop tells in percent, recorded as the shares that all readers expect."""

from __future__ import annotations

from collections.abc import Sequence

LEAST, MOST = 2.0, 100.0
"""A value between them can't be a share. What lies a little above 1 may be one that was rounded or miscounted."""


class PercentAccuracy:
    """Whether accuracies come in percent: from the first value that shows it on."""

    def __init__(self) -> None:
        self.seen: float | None = None
        """The value that showed it."""

    def shares(self, values: Sequence[float]) -> list[float]:
        """Return the accuracies as shares 0..1; those above 100 stay what they are."""
        if self.seen is None:
            self.seen = next((value for value in values if LEAST < value <= MOST), None)
        if self.seen is None:
            return list(values)
        return [value / 100 if value <= MOST else value for value in values]

    def share(self, value: float | None) -> float | None:
        """Return one accuracy as a share; None stays."""
        return None if value is None else self.shares([value])[0]

    def words(self) -> str:
        """Say what was noticed."""
        if self.seen is None:
            return ""
        return f"accuracies are told in percent ({self.seen:.4g}) and recorded as shares ({self.seen / 100:.4g})"
