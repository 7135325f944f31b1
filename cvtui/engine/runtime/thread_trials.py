"""Schedule thread-count trials with back-off.

The next one is due by what the last one cost, what it changed, and whether a core has become free.
"""

from __future__ import annotations

from collections.abc import Callable

ROOM = 0.5
"""Idle cores at which more threads are tried; also where they can't be counted. (CIFAR's net beside a busy
process on two cores: 14.4 steps a second on one thread, 9.2 on two.)"""
FIRST_WAIT, LONGEST_WAIT = 3.0, 15.0
"""Seconds to the next trial of the neighbours, where their share of the time does not ask for more."""
LONGEST_REST = 60.0
"""Seconds to the next trial after more threads were lost again soon: twice as long each time. (The MLP's second thread
beside a screen gives a tenth, and every few seconds a step that takes 18 times as long.)"""
DOUBT_SHARE, TRIAL_SHARE, CALM_SHARE = 0.3, 0.1, 0.025
"""About so much of the time is spent on trials (which cost perhaps a third of it): after the first one, and after one
that was disturbed (a screen that opens beside the first steps takes a core for a second, and two threads on two cores
seem slow), and when a core has become free; after one that changed the number; after one that changed nothing."""


class ThreadTrials:
    """Schedule of trials.

    trials.begin()                       # a trial
    trials.end(by, first=…, doubt=…)     # its result
    if trials.look():                    # now and then
        another trial
    """

    def __init__(self, clock: Callable[[], float], free: Callable[[], float | None]) -> None:
        """`free`: cores that were idle since it was called before; None where that isn't known."""
        self._clock = clock
        self._free = free
        self.crowded = False
        """No core is free for another thread."""
        self._rest = FIRST_WAIT
        self._climbed = self._rested = self._soonest = self._due = self._begun = clock()

    def begin(self) -> None:
        self._begun = self._clock()

    def end(self, by: int, *, first: bool, doubt: bool) -> None:
        """Take the result of a trial: `by` threads more (fewer: below 0). `doubt`: something disturbed it."""
        now = self._clock()
        took = now - self._begun
        self._update_rest(by, first, now)
        self._soonest = max(self._rested, now + took / DOUBT_SHARE)
        wait = max(FIRST_WAIT, took / (DOUBT_SHARE if first or doubt else TRIAL_SHARE))
        if not by and not first:
            wait = max(wait, min(LONGEST_WAIT, took / CALM_SHARE))
        self._due = max(self._soonest, now + wait)
        self._free()  # counts from here on: not what the trial's own threads took

    def _update_rest(self, by: int, first: bool, now: float) -> None:
        """Wait twice as long before trying threads again that were lost soon after they came."""
        if first or by > 0:
            self._climbed = now
        elif by < 0:
            soon = now - self._climbed < 10 * self._rest
            self._rest = min(LONGEST_REST, 2 * self._rest) if soon else FIRST_WAIT
            self._rested = now + self._rest

    def look(self) -> bool:
        """Return True when a trial is due; sooner where cores have become free."""
        free = self._free()
        was_crowded, self.crowded = self.crowded, free is not None and free < ROOM
        if was_crowded and not self.crowded:
            self._due = min(self._due, self._soonest)
        return self._clock() >= self._due
