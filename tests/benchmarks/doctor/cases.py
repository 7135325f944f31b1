"""One run of the benchmark, as data: what is trained, and what was broken."""

from __future__ import annotations

from typing import Any, Literal

import msgspec


class Case(msgspec.Struct, frozen=True, kw_only=True):
    name: str
    """Of its run folder."""
    fault: str
    """The catalogue's id; empty for a healthy run."""
    kind: Literal["recipe", "loop"]
    strength: str
    net: str
    data: str
    seed: int
    recipe: dict[str, Any] = {}
    """Fields that differ from the default ones (kind recipe)."""
    loop: str = ""
    """Name of the class in loops.py (kind loop)."""
    value: float | str = 0.0
    """Its strength."""
    options: dict[str, Any] = {}
    """Other arguments of it."""
    begins: int = 0
    """Steps done when the fault sets in."""
