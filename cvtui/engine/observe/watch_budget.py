"""Time budget of watching: what it may take of a run, measured beside the steps that are not watched.

Everything that `--watch-every 0` would not do is charged: what a sampled step takes beyond the plain steps around it,
reading and writing its record, the doctor's look at it, and pictures.

Of a custom loop also its calls and the hooks in its steps are told (charges.py): without cvtui there were none. They
thin no samples: of a net with short steps, of which they take more than samples may, no layer would be seen.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable

from torch import nn

from cvtui.engine.observe.charges import Calls

SHARE = 0.008
"""Of the time since the run began that samples and pictures may take together …"""
START, LOOP_START = 0.009, 0.014
"""… and seconds on top, of the trainer and of a custom loop, whose samples take longer: a small net's first samples are
taken one after the other. With 9 or 12 ms the doctor saw 40 steps of a loop of 70, and did not name one answer."""
OWN_SHARE = 0.004
"""Of that time, or those seconds where that is more, samples may take, whatever pictures took: two sets of these left a
short run nearly blind (a net of sigmoids was not named in one suite of five)."""
FEW, FEW_SECONDS = 3, 0.01
"""As many samples are taken in any case, unless they take longer than this."""
PICTURES_SHARE = 0.002
"""Of the time since the run began that pictures may take between the first and the last set."""
GOAL = 0.02
"""Of that time all may take that is charged, pictures too. Only the last set is made in any case."""
SLOW = 0.02
"""Seconds of a plain step from which on a sample is charged with what its hooks took. Two such steps differ by more
than it takes (of 110 ms by 5 to 15), and beyond its hooks it takes what it does of a short one."""
FREE_SAMPLES = 40
SECONDS_APART = 0.25
"""After FREE_SAMPLES, samples also keep this distance, so that the log of a long run grows slowly."""
NEARBY = 9
"""Plain steps that a sampled one is compared with, and sampled ones that tell which of them is an outlier."""
OUTLIER = 2.0
"""Times the lower third of its neighbours: beyond, a step was held up by something else (an evaluation, a garbage
collection, another program's turn), and counts as the others do."""


class WatchBudget:
    """Account of the time that watching takes.

    The first sample is always taken; each later one when what was charged so far is within the budget again, so that
    samples thin out from the very first one. It moves no loss: what is sampled changes no bit of the training.

    clock: of the seconds that are charged and that they are a share of.
    """

    def __init__(self, clock: Callable[[], float] = time.perf_counter) -> None:
        self.clock = clock
        self.samples = 0.0
        """Seconds charged for samples."""
        self.pictures = 0.0
        """Seconds charged for pictures."""
        self.last_set = 0.0
        """Seconds that are kept for the last set of pictures: what the set before it took, or the first may take."""
        self.calls: Calls | None = None
        """Calls and hooks of a custom loop."""
        self.within = 0.0
        """Seconds of `samples` that are part of `calls`."""
        self._born = clock()
        self._count = 0
        self._last = 0.0
        self._plain: deque[float] = deque(maxlen=NEARBY)
        self._sampled: deque[float] = deque(maxlen=NEARBY)
        self._alone: list[float] = []
        """What was charged for the samples that nothing could be compared with."""

    @property
    def seconds(self) -> float:
        """Everything charged so far."""
        return max(0.0, self.samples) + self.pictures

    def add_pictures(self, seconds: float) -> None:
        """Charge a set of pictures."""
        self.pictures += seconds
        self.last_set = seconds

    def elapsed(self) -> float:
        """Seconds since the run began, pauses not counted."""
        return max(self.clock() - self._born, 1e-9)

    def share(self) -> float:
        """Share of the time so far that watching has taken, 0..1."""
        if self.calls is None:
            return self.seconds / self.elapsed()
        # (What samples take of the loop's own time is a difference, which may come out below nothing.)
        return (max(0.0, self.samples - self.within) + self.pictures + self.calls.taken()) / self.elapsed()

    def exclude_time(self, seconds: float) -> None:
        """Leave a pause out of the time that the budget is a share of."""
        if self.clock is time.perf_counter:  # the processor's clock stands still in a pause
            self._born += seconds
            if self.calls is not None:
                self.calls.exclude(seconds)

    def add_reading(self, seconds: float) -> None:
        """Charge the reading of samples, their records or the doctor's look at them."""
        self.samples += seconds
        self.within += seconds

    def allows_sample(self) -> bool:
        """Return True if a sample may be taken now."""
        if not self._count or (self._count < FEW and self.samples < FEW_SECONDS):
            return True
        elapsed = self.elapsed()
        if self._count >= FREE_SAMPLES and elapsed - self._last < SECONDS_APART:
            return False
        start = START if self.calls is None else LOOP_START
        if self.samples <= max(start, OWN_SHARE * elapsed):
            return True
        return self.seconds + self.last_set <= start + SHARE * elapsed

    def allows_pictures(self) -> bool:
        """Return True if a set of pictures may be made now, between the first and the last."""
        return self.pictures <= PICTURES_SHARE * self.elapsed()

    def allows_first_set(self) -> bool:
        """Return True if there is room for the first set of pictures and the last."""
        return self.seconds + 2 * self.last_set <= GOAL * self.elapsed()

    def plain_step(self, seconds: float) -> None:
        """Take what a step without a sample took."""
        self._plain.append(seconds)

    @property
    def can_compare(self) -> bool:
        """True when there were enough plain steps to tell what a sampled one takes beyond them."""
        return len(self._plain) >= 3

    @property
    def times_hooks(self) -> bool:
        """True where the hooks of a sample are to be timed: by nothing else can it be told what it takes."""
        return not self.can_compare or self._is_slow

    @property
    def _is_slow(self) -> bool:
        # (The work of a GPU is not seen in hooks.)
        return len(self._plain) > 0 and min(self._plain) >= SLOW and self.clock is not time.perf_counter

    def step_after(self, seconds: float) -> None:
        """Charge the step after a sampled one for what it took beyond a plain one: a tenth of what that did.

        The processor's caches hold what the sample has looked at.
        """
        if self.can_compare and not self._is_slow:
            plain = _without_outliers(self._plain)
            if seconds <= OUTLIER * max(plain):
                self.samples += seconds - _mean(plain)

    def sampled_step(self, seconds: float, inside: float = 0.0) -> None:
        """Charge a step with a sample: what it took beyond a plain one.

        seconds: all of it. inside: of its hooks alone, which is charged where there is nothing to compare with.
        """
        self._count += 1
        self._last = self.elapsed()
        if self.times_hooks:
            self._alone = [] if self._is_slow else [*self._alone, inside]
            self.samples += inside
            return
        self._sampled.append(seconds)
        sampled = _without_outliers(self._sampled)
        # Its own time, below a plain one's too: a sum of medians tells too little where some samples take longer.
        own = seconds if seconds <= max(sampled) else _mean(sampled)
        taken = own - _mean(_without_outliers(self._plain))
        # Those before any plain step took no less than this one, beyond their hooks too.
        self.samples += taken + sum(max(0.0, taken - inside) for inside in self._alone)
        self._alone.clear()


def _without_outliers(found: deque[float]) -> list[float]:
    most = OUTLIER * sorted(found)[len(found) // 3]
    return [one for one in found if one <= most]


def _mean(found: list[float]) -> float:
    return sum(found) / len(found)  # (statistics.fmean takes 3 µs of a sampled step)


def budget_for(model: nn.Module) -> WatchBudget:
    """Make the budget of a training that begins now.

    On the CPU it is kept by the time of this thread's own processor: by the wall's, on a machine that is busy with
    other programs, each sample would be charged with their turns. A GPU's work is only seen on the wall.
    """
    parameter = next(model.parameters(), None)
    on_cpu = parameter is None or parameter.device.type == "cpu"
    return WatchBudget(time.thread_time if on_cpu else time.perf_counter)
