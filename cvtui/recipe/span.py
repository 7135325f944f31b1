"""Ranges of numbers: the one check, and the words, of recipe fields, choices' parameters and labs' knobs."""

from __future__ import annotations

import math

from cvtui.frozen import Frozen


class Span(Frozen):
    """A range of numbers; `low` and `high` belong to it unless they are open."""

    low: float = -math.inf
    high: float = math.inf
    open_low: bool = False
    open_high: bool = False

    def in_words(self) -> str:
        """Say the range in words: "above 0", "0 <= x < 1", "1 to 1,024"."""
        low, high = self.low, self.high
        if math.isinf(low) and math.isinf(high):
            return "any number"
        if math.isinf(high):
            return f"above {low:,}" if self.open_low else f"{low:,} or more"
        if self.open_low or self.open_high:
            return f"{low:,} {'<' if self.open_low else '<='} x {'<' if self.open_high else '<='} {high:,}"
        return f"{low:,} to {high:,}"

    def holds(self, value: int | float) -> bool:
        """Return True if the value lies in the range; False also for NaN and for infinity."""
        above = value > self.low if self.open_low else value >= self.low
        below = value < self.high if self.open_high else value <= self.high
        return above and below and abs(value) != math.inf
