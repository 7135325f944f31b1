"""Level bars in eighths of a cell. Standard library only: `cvtui calc` prints them without loading numpy."""

from __future__ import annotations

import math

_EIGHTHS = ("", "▏", "▎", "▍", "▌", "▋", "▊", "▉")


def filled_bar(share: float, width: int) -> str:
    """Draw a level bar of `width` cells filled to `share` (0 … 1) in eighths of a cell; above 0 at least one."""
    if width <= 0:
        return ""
    if not math.isfinite(share) or share <= 0:
        return " " * width
    eighths = max(1, min(8 * width, round(share * 8 * width)))
    full, rest = divmod(eighths, 8)
    return ("█" * full + _EIGHTHS[rest]).ljust(width)


def log_bar(value: float | None, low: float, high: float, width: int) -> str:
    """Draw a bar on a logarithmic scale: empty at `low` and below, full at `high`.

    A straight slope over the layers of a net is then a gradient that shrinks by the same factor from layer to layer.
    """
    if value is None or not math.isfinite(value) or value <= low:
        return " " * max(0, width)
    return filled_bar(math.log(value / low) / math.log(high / low), width)
