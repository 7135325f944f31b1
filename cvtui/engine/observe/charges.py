"""What is done for a custom loop beside the layers' samples: all of the calls that it makes, and hooks in its steps."""

from __future__ import annotations

import functools
import time
from collections.abc import Callable, Sequence
from typing import Concatenate, ParamSpec, Protocol, TypeVar

Given = ParamSpec("Given")
Result = TypeVar("Result")


class Calls:
    """Account of the time inside of our own code. What is called from there is part of the same call.

    clock: the one of the time that they are a share of.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._seconds = 0.0
        self._depth = 0
        self._begun = 0.0
        self.waits_are_seen = clock is time.perf_counter
        """The clock goes on while the processor waits: for a GPU, say."""

    def begin(self) -> None:
        """Begin a call."""
        if not self._depth:
            self._begun = self._clock()
        self._depth += 1

    def end(self) -> None:
        """End it."""
        self._depth -= 1
        if not self._depth:
            self._seconds += self._clock() - self._begun

    def __enter__(self) -> None:
        self.begin()

    def __exit__(self, *_error: object) -> None:
        self.end()

    def taken(self) -> float:
        """Return the seconds so far, of the call under way too."""
        return self._seconds + (self._clock() - self._begun if self._depth else 0.0)

    def exclude(self, seconds: float) -> None:
        """Leave a pause or a wait out of the call under way."""
        if self._depth:
            self._begun += seconds

    def add_short(self, seconds: Sequence[float]) -> None:
        """Take very short calls, timed by the wall's clock; a turn of another program in one of them is left out."""
        if seconds:
            self._seconds += len(seconds) * sorted(seconds)[len(seconds) // 2]


class Charged(Protocol):
    _calls: Calls


Self = TypeVar("Self", bound=Charged)


def charged(method: Callable[Concatenate[Self, Given], Result]) -> Callable[Concatenate[Self, Given], Result]:
    """Have all that a method takes charged."""

    @functools.wraps(method)
    def call(self: Self, /, *args: Given.args, **options: Given.kwargs) -> Result:
        with self._calls:
            return method(self, *args, **options)

    return call
