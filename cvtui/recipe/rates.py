"""A new learning rate as somebody types it."""

from __future__ import annotations

import math
import re

from cvtui.errors import RequestError

_RATE = re.compile(r"([/*x×÷]?)\s*([0-9.eE+\-_]+)")


def parse_rate(text: str, now: float, label: str = "--lr", *, may_be_0: bool = False) -> float:
    """A number, or `/10`, `*2` of the rate now. RequestError (naming `label`) when it is neither, or not above 0 (or
    below it, where `may_be_0`: a run that stands still)."""
    found = _RATE.fullmatch(text.strip())
    try:
        if found is None:
            raise ValueError
        number = float(found[2])
        if found[1]:
            number = now / number if found[1] in "/÷" else now * number
    except (ValueError, ZeroDivisionError):
        raise RequestError(f"{label}: {text!r} is no rate; allowed: a number such as 0.001, or /10, or *2") from None
    if not math.isfinite(number) or number < 0 or (number == 0 and not may_be_0):
        allowed = "a rate of 0 or above" if may_be_0 else "a rate above 0"
        raise RequestError(f"{label}: {text!r} is not possible; allowed: {allowed}")
    return number
