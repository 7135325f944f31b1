"""How many steps the loop's learning-rate scheduler was made for, and how many it made.

An optimizer doesn't know its scheduler, so it is looked for among the names of the functions that end an epoch.
"""

from __future__ import annotations

import contextlib
import inspect
import sys
import weakref
from collections.abc import Iterator, Sequence
from types import FrameType
from typing import Any

from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler

PLANNED = {"OneCycleLR": "total_steps", "CosineAnnealingLR": "T_max", "PolynomialLR": "total_iters"}
"""Schedulers that are made for a whole run, and the attribute with the number of their steps."""
LOOKS = 3
"""Ends of epochs at which it is looked for."""
FRAMES = 30
"""Functions that are looked through, from the innermost outwards."""
INSIDE = 8
"""Entries of a list or dict that are looked at."""


class Schedulers:
    """Finds the one scheduler that moves the rates of these optimizers."""

    def __init__(self, optimizers: Sequence[Optimizer]) -> None:
        self._optimizers = list(optimizers)
        self._looks = 0
        self._found: weakref.ref[LRScheduler] | None = None
        self._facts: dict[str, Any] = {}

    def look(self) -> None:
        """Look for it in the functions that called this one, at the first ends of epochs, and then at how far it is."""
        if self._found is not None:
            self.facts()
            return
        if self._looks >= LOOKS or not self._scheduled():
            return
        self._looks += 1
        found: dict[int, LRScheduler] = {}
        frame: FrameType | None = sys._getframe(1)
        for _ in range(FRAMES):
            if frame is None:
                break
            names = frame.f_locals
            found |= {id(one): one for one in self._among(names)}
            _let_go(frame, names)
            frame = frame.f_back
        parts = {id(part) for one in found.values() for part in _held(list(vars(one).values()))}
        whole = [one for key, one in found.items() if key not in parts]  # (SequentialLR holds others)
        if len(whole) == 1:
            self._found = weakref.ref(whole[0])
            self.facts()

    def _scheduled(self) -> bool:
        """Return True if some scheduler has noted in a group what it multiplies."""
        return any("initial_lr" in group for one in self._optimizers for group in one.param_groups)

    def _among(self, names: dict[str, Any]) -> Iterator[LRScheduler]:
        inside: dict[str, Any] = {}
        with contextlib.suppress(AttributeError):  # (slots; a `__getattr__` of its own is not asked)
            inside = object.__getattribute__(names.get("self"), "__dict__")
        for one in _held([*names.values(), *inside.values()]):
            if any(getattr(one, "optimizer", None) is optimizer for optimizer in self._optimizers):
                yield one

    def facts(self) -> dict[str, Any]:
        """Return the fields of `Facts` about it; {} where none was found that is made for a number of steps.

        Where the loop has left the function that held it, they are those of the last epoch's end.
        """
        one = self._found() if self._found is not None else None
        kind = type(one).__name__
        planned, made = getattr(one, PLANNED.get(kind, ""), None), getattr(one, "last_epoch", None)
        if isinstance(planned, int) and isinstance(made, int):
            self._facts = {"scheduler": kind, "scheduler_steps": planned, "scheduler_made": made}
        return self._facts


def _let_go(frame: FrameType, names: dict[str, Any]) -> None:
    """Empty what Python before 3.13 keeps of a function's names once they were asked for, as long as it runs.

    Else a batch and a loss with its graph would live as long as the loop. A module's names are its own.
    """
    if sys.version_info < (3, 13) and frame.f_code.co_flags & inspect.CO_OPTIMIZED:
        names.clear()


def _held(values: Sequence[Any]) -> Iterator[LRScheduler]:
    """Yield the schedulers among values, and in lists, tuples and dicts of a few entries.

    Their types are asked: what a lazy proxy says of its class would load what it stands for.
    """
    for value in values:
        inside: Sequence[Any] = (value,)
        if type(value) in (list, tuple) and len(value) <= INSIDE:
            inside = value
        elif type(value) is dict and len(value) <= INSIDE:
            inside = list(value.values())
        yield from (one for one in inside if issubclass(type(one), LRScheduler))
