"""A real program in our own words: what it is made of, what was wrong with it, and how it was repaired."""

from __future__ import annotations

from typing import Any

import msgspec


class Program(msgspec.Struct, frozen=True, kw_only=True):
    """One classifier that somebody asked about, carried over to a PyTorch loop."""

    id: str
    """The post's number, or a name of the set with the program's number."""
    title: str
    """What its owner saw."""
    net: str
    """Its layers (`parts.layers`)."""
    data: tuple[str, dict[str, Any]]
    """A function of parts.py and its arguments."""
    classes: int
    loss: str
    """Of `parts.LOSSES`."""
    optimizer: tuple[str, dict[str, Any]] = ("Adam", {"lr": 1e-3})
    batch: int = 32
    steps: int = 200
    frozen: int = 0
    """So many of the first layers (of nn.Sequential) are not trained, on purpose."""
    spoil: str = ""
    """A change of the net or the data that no field above says (`spoils.NETS`, `spoils.DATA`)."""
    loop: str = ""
    """A loop that isn't the plain one (`loops.LOOPS`)."""
    truth: tuple[str, ...]
    """Ids of the catalogue that name the cause; any of them first is right."""
    symptoms: tuple[str, ...] = ("F02", "F36", "F37", "F19")
    """Ids that only say that it doesn't learn."""
    why: str
    """How the truth is known: the post's answer, or the arithmetic."""
    repaired: dict[str, Any]
    """Fields of the version that works."""
    source: str = "Stack Overflow, in the set of 109 programs of ASE 2023"
    """Where it was found."""
    held: bool = False
    """Kept back: no limit is chosen on it, and it is reported apart."""

    def fixed(self) -> Program:
        """Return the repaired version: nothing is wrong with it."""
        plain = {"spoil": "", "loop": ""}
        return msgspec.structs.replace(self, **{**plain, **self.repaired, "id": f"{self.id}-repaired", "truth": ()})
