"""How many examples Hypothesis tries: the profile's share (conftest.py) of what a test asks for."""

from __future__ import annotations

from hypothesis import settings


def examples(number: int) -> int:
    """Return `number` with `-m long`, three tenths of it in the usual run, a tenth on another Python; at least 10."""
    return max(10, number * settings().max_examples // 100)
