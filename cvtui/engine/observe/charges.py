"""What is done for a custom loop beside the layers' samples: all of the calls that it makes, and hooks in its steps."""

from __future__ import annotations

import functools
import time
from collections import deque
from collections.abc import Callable, Sequence
from typing import Concatenate, ParamSpec, Protocol, TypeVar

NEARBY = 9
"""Rows of noted steps that a look is compared with …"""
LEAST = 3
"""… and as many at least."""

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

    def add(self, seconds: float) -> None:
        """Take what was not spent inside of a call, and came of one."""
        self._seconds += seconds

    def add_short(self, seconds: Sequence[float]) -> None:
        """Take very short calls, timed by the wall's clock; a turn of another program in one of them is left out."""
        if seconds:
            self._seconds += len(seconds) * sorted(seconds)[len(seconds) // 2]


class LooksBeside:
    """What a step that is looked at takes longer beside our own code: hooks send PyTorch another way, caches are cold.

    It is measured beside the steps that are only noted before it, and added to the account.
    """

    def __init__(self, calls: Calls, clock: Callable[[], float]) -> None:
        self._calls, self._clock = calls, clock
        self._noted: deque[float] = deque(maxlen=NEARBY)
        self._begun: tuple[float, int] | None = None
        """When the row began, and its steps."""
        self._look: float | None = None
        """When the step that is looked at began."""

    def _now(self) -> float:
        """Return the time without what is charged already."""
        return self._clock() - self._calls.taken()

    def row_begins(self, count: int) -> None:
        """Take the begin of a row of steps that are only noted."""
        self._begun = self._now(), count

    def row_ends(self) -> None:
        """Take its end: the step behind it is looked at."""
        if self._begun is not None:
            now, (begun, count) = self._now(), self._begun
            self._noted.append((now - begun) / count)
            self._look, self._begun = now, None

    def looked(self, plainly: bool) -> None:
        """Take the end of a step that was looked at; plainly: it was no sample, which is charged by the budget."""
        look, self._look = self._look, None
        if look is None or not plainly or len(self._noted) < LEAST:
            return
        usual = sorted(self._noted)[len(self._noted) // 2]
        beside = self._now() - look - usual
        if abs(beside) < usual:  # else an evaluation, or another thread's turn
            self._calls.add(beside)

    def interrupt(self) -> None:
        """Forget a row that was ended by something else."""
        self._begun = self._look = None


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
