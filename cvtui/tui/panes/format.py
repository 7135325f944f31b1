"""Numbers as people read them."""

from __future__ import annotations

import math
import re

_ESCAPES = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)?|[ -/]*[0-~])")


def clean(text: str) -> str:
    """Text from a file on one line, without terminal escapes and control characters (tabs become blanks)."""
    plain = _ESCAPES.sub("", text).expandtabs(4)
    return "".join(char if char.isprintable() else " " for char in plain)


def count(number: int) -> str:
    """1204 -> "1,204"."""
    return f"{number:,}"


def significant(value: float | None, digits: int = 3) -> str:
    """0.012345 -> "0.0123", 12345 -> "1.2e4", None -> "–": short, with `digits` digits that say something."""
    if value is None:
        return "–"
    if not math.isfinite(value):
        return str(value)
    if value == 0:
        return "0"
    size = abs(value)
    if 10**-digits <= size < 10**digits:
        return f"{value:.{max(0, digits - 1 - math.floor(math.log10(size)))}f}"
    mantissa, exponent = f"{value:.{max(0, digits - 2)}e}".split("e")
    return f"{mantissa}e{int(exponent)}"


def tiny(value: float | None) -> str:
    """As `significant`, with exponents from 0.01 down: for columns of numbers that spread over decades."""
    if value is None or not 0 < abs(value) < 0.01:
        return significant(value)
    mantissa, exponent = f"{value:.1e}".split("e")
    return f"{mantissa}e{int(exponent)}"


def rate(value: float | None) -> str:
    """A learning rate as it would be typed: 0.002, 5e-05 -> "5e-5"."""
    if value is None or not math.isfinite(value):
        return "–"
    text = f"{value:.3g}"
    if "e" in text:
        mantissa, exponent = text.split("e")
        return f"{mantissa}e{int(exponent)}"
    return text


def percent(share: float | None, decimals: int = 1) -> str:
    """0.98534 -> "98.5 %". 100 % and 0 % are said only when exact."""
    if share is None or not math.isfinite(share):
        return "–"
    text = f"{100 * share:.{decimals}f}"
    edge = 10.0**-decimals
    if share < 1 and float(text) >= 100:
        text = f"{100 - edge:.{decimals}f}"
    elif share > 0 and float(text) <= 0:
        text = f"{edge:.{decimals}f}"
    return f"{text} %"


def duration(seconds: float | None, *, decimal: bool = False) -> str:
    """7.4 -> "7 s" ("7.4 s" with `decimal`), 65 -> "1:05", 3725 -> "1:02:05", 200000 -> "2 d 7 h"."""
    if seconds is None or not math.isfinite(seconds):
        return "–"
    if decimal and seconds < 9.95:
        return f"{max(0.0, seconds):.1f} s"
    whole = max(0, round(seconds))
    if whole < 60:
        return f"{whole} s"
    minutes, rest = divmod(whole, 60)
    if minutes < 60:
        return f"{minutes}:{rest:02d}"
    hours, minutes = divmod(minutes, 60)
    if hours < 48:
        return f"{hours}:{minutes:02d}:{rest:02d}"
    return f"{hours // 24} d {hours % 24} h"


def size_of(amount: float | None) -> str:
    """Bytes: 1536 -> "1.5 kB"."""
    if amount is None or not math.isfinite(amount) or amount < 0:
        return "–"
    for unit in ("B", "kB", "MB", "GB", "TB"):
        if amount < 1000 or unit == "TB":
            return f"{amount:.0f} {unit}" if unit == "B" or amount >= 100 else f"{amount:.1f} {unit}"
        amount /= 1000
    return "–"


def shape(sizes: list[int] | tuple[int, ...]) -> str:
    """[8, 8, 32] -> "8x8x32", as the lecture writes H x W x C."""
    return "x".join(str(size) for size in sizes)
