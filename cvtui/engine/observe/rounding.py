"""Rounding of numbers for the log."""

from __future__ import annotations

import math
from collections.abc import Iterable

from torch import Tensor


def exact(number: float) -> float:
    """Round to the nine digits that tell a float32 from every other."""
    return float(f"{number:.9g}")


def short(number: float) -> float:
    """Round to six significant digits."""
    return float(f"{number:.6g}")


def finite(number: float | Tensor) -> float | None:
    """Round to six significant digits; None for what is not finite."""
    value = float(number)
    return short(value) if math.isfinite(value) else None


def rounded(numbers: Iterable[float], digits: int) -> list[float | None]:
    """Round to so many significant digits; None for what is not finite."""
    return [float(f"{number:.{digits}g}") if math.isfinite(number) else None for number in numbers]
