"""Sizes as they are typed: `32x32x3`, `28x28` (one channel), `784` (flat)."""

from __future__ import annotations

from cvtui.calc.table import Size
from cvtui.errors import RequestError

MAX_SIDE = 10**9


def parse_size(text: str, option: str = "--input", *, channels_first: bool = False) -> Size:
    """`HxWxC` (or `CxHxW` with `channels_first`), `HxW`, or `N`; RequestError names the option and what is allowed."""
    form = "3x32x32" if channels_first else "32x32x3"
    wrong = f"{option} {text[:40]!r}: sizes are whole numbers from 1 to {MAX_SIDE:,}, as in {form}, 28x28 or 784"
    parts = [part.strip() for part in text.lower().replace("×", "x").replace(",", "x").split("x")]
    if len(parts) > 3 or not all(part.isascii() and part.isdigit() and len(part) <= 10 for part in parts):
        raise RequestError(wrong)
    numbers = [int(part) for part in parts]
    if not all(1 <= number <= MAX_SIDE for number in numbers):
        raise RequestError(wrong)
    if len(numbers) == 1:
        return (numbers[0],)
    if len(numbers) == 2:
        return numbers[0], numbers[1], 1
    if channels_first:
        return numbers[1], numbers[2], numbers[0]
    return numbers[0], numbers[1], numbers[2]
