"""Tune the number of CPU threads from measured step times, at the start and whenever they change.

A small net is fastest on one or two threads, and threads that wait for a core which another program has taken can slow
every step a hundredfold (a step of 9 ms on 1 to 3 threads took 65 on all 4 of a machine with one other busy program).
What is measured are real steps, so nothing is done twice; a step costs 0.3 µs here. Other numbers of threads add up in
another order, so bits repeat only where the recipe fixes the number: then there is no tuner.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Sequence
from statistics import median
from typing import TypeAlias

import torch

from cvtui.engine.runtime.thread_trials import ThreadTrials

LOOK_SECONDS = 0.5
"""Interval at which the steps' times are looked at."""
LEAST_STEPS = 5
JUMP = 1.3
"""Ratio to the usual step time at which steps have lost cores."""
STARK, STARK_STEPS = 2.5, 4
"""Ratio, and steps in a row beyond it, at which a trial does not wait for the next look."""
ROUNDS = 3
BLOCK_SECONDS = 0.02
"""A number of threads is tried for about so long at a time (2 to 20 steps), then comes the next: whatever else happens
on the machine meanwhile meets all of them."""
HOPELESS = 1.8
"""Ratio to the best step time at which a number of threads is not tried again in this trial."""
BEHIND = 1.4
"""One that is so far behind after a round is left out of the next."""
LONG_STEP = 0.1
"""Seconds; steps as long as this are less often repeated."""
WORTH = 0.95
"""A change must make steps at least so much quicker. The number of threads that runs stays where it is as good."""
EVERY_CORE = 1.05
"""Before every core is taken, steps count as so much longer there: a median does not see those between which something
else came (with a screen, the MLP's are 8 % quicker on both of two cores by the median, and slower on average). Where
they are all taken already, that is no reason to leave: with other tenants on the machine the digits' gain from the
second core is 21 % for a minute and nothing in the next."""
MACS_TO_SHARE = 2_000_000
"""Multiply-adds of a step's forward pass below which one thread is always the fastest (with 0.2 million, 1 to 3 threads
took 1.06, 1.26 and 1.29 ms; with 29 million 8.9, 7.5 and 8.9; with 1,042 million 97, 72 and 56)."""
MACS_FOR_ALL = 500_000_000
"""Multiply-adds from which the screen's core is tried too: such a step is nothing but arithmetic (a ResNet-18 runs at
the processor's peak), and the tenth of a core that a screen takes costs it less than a whole core that lies idle. Of
two cores both are tried by all but the smallest nets: the screen's is half of the machine (1.17 x on the digits' net).
"""

Trial: TypeAlias = Generator[int, float, dict[int, list[float]]]
"""Yields the number of threads for the next step, is sent that step's seconds, and returns those of each."""


def candidates(cores: int, macs: int) -> list[int]:
    """Thread counts to choose from: 1, 2, 3 of 4 cores; 1, 2, 4, 8 … and all but one of many.

    One core is left to the screen, but by steps of very many multiply-adds, and of two; one of few runs on one thread.
    """
    if macs < MACS_TO_SHARE or cores == 1:
        return [1]
    most = cores - 1
    some = range(1, most) if most <= 4 else [1 << power for power in range(most.bit_length()) if 1 << power < most]
    return [*some, most, *([cores] if macs >= MACS_FOR_ALL or cores == 2 else [])]


class ThreadTuner:
    """Tuner of the thread count among `allowed`, beginning with `threads`.

    tuner.begin()                # before the first step, and after anything that is no step
    forward, backward, update
    message = tuner.step()       # after each step; for the log when the number has changed
    """

    def __init__(
        self,
        allowed: Sequence[int],
        threads: int,
        apply: Callable[[int], None] = torch.set_num_threads,
        clock: Callable[[], float] = time.perf_counter,
        most_first: bool = False,
        cores: int | None = None,
        free: Callable[[], float | None] = lambda: None,
    ) -> None:
        """Begin with a trial of all, or with `most_first` of the two largest numbers.

        `most_first` is for steps that are so long that a trial of all takes a quarter of a minute; fewer are tried when
        cores turn out to be taken. `cores`: of the machine, where all of them are allowed. `free`: cores that were idle
        since it was called before; None where that isn't known.
        """
        self.allowed = sorted({*allowed, threads})  # a run that is resumed brings its own number
        self.threads = threads
        """The number chosen. (While others are tried, one of those is at work.)"""
        self._apply = apply
        self._clock = clock
        self._cores = cores
        self._when = ThreadTrials(clock, free)
        self._running = threads
        self._times: list[float] = []
        self._usual = float("inf")
        self._stark = 0
        self._reason = "measured"
        self._last = clock()
        self._look_at = self._last
        self._trial: Trial | None = None
        self._try(self.allowed[-2:] if most_first else self.allowed, "measured")

    def begin(self) -> None:
        """Leave the time until now out of the next step's."""
        self._last = self._clock()

    def step(self) -> str:
        """Take one step; return the message about a changed number, else ""."""
        now = self._clock()
        seconds, self._last = now - self._last, now
        if self._trial is not None:
            return self._continue_trial(self._trial, seconds)
        self._times.append(seconds)
        self._stark = self._stark + 1 if seconds > STARK * self._usual else 0
        if now >= self._look_at or self._stark == STARK_STEPS:
            self._look(now)
        return ""

    def _look(self, now: float) -> None:
        """Begin a trial when steps have become slower, or when one is due."""
        if len(self._times) < LEAST_STEPS and self._stark < STARK_STEPS:
            return
        usual = median(self._times[-STARK_STEPS:] if self._stark >= STARK_STEPS else self._times)
        self._times.clear()
        self._stark = 0
        self._look_at = now + LOOK_SECONDS
        index = self.allowed.index(self.threads)
        due = self._when.look()
        worth_trying = self.allowed[max(0, index - 1) : index + (1 if self._when.crowded else 2)]
        if usual > JUMP * self._usual and index:
            self._try(self.allowed[: index + 1], f"a step took {usual / self._usual:.1f} times as long as before")
        elif due and len(worth_trying) > 1:
            self._try(worth_trying, "measured again")
        else:  # follows slowly: a run that heats up or whose batches grow has not lost cores
            self._usual = min(usual, self._usual + 0.05 * (usual - self._usual))

    def _try(self, allowed: Sequence[int], reason: str) -> None:
        """Begin a trial at the next step."""
        self._reason = reason
        self._trial = trial(allowed)
        self._when.begin()
        self._set(next(self._trial))

    def _continue_trial(self, under_way: Trial, seconds: float) -> str:
        try:
            self._set(under_way.send(seconds))
        except StopIteration as ended:
            return self._choose(ended.value)
        return ""

    def _choose(self, times: dict[int, list[float]]) -> str:
        medians = {count: median(steps) for count, steps in times.items()}
        costs = {count: [self._cost(count, seconds) for seconds in steps] for count, steps in times.items()}
        first, before = self._usual == float("inf"), self.threads
        self.threads = best_of({count: median(steps) for count, steps in costs.items()}, None if first else before)
        self._trial = None
        self._set(self.threads)
        self._usual = medians[self.threads]
        self._times.clear()
        changed = self.threads != before
        self._when.end(self.threads - before, first=first, doubt=doubtful(costs, self.threads))
        self._look_at = self._clock() + LOOK_SECONDS
        if not (changed or first):
            return ""
        took = ", ".join(f"{count}: {_in_ms(seconds)}" for count, seconds in sorted(medians.items()))
        what = f"threads {before} → {self.threads}" if changed else f"threads {before}"
        return f"{what}, {self._reason} (a step on {took})"

    def _cost(self, threads: int, seconds: float) -> float:
        climbs = threads == self._cores and (threads != self.threads or self._usual == float("inf"))
        return seconds * EVERY_CORE if climbs else seconds

    def _set(self, threads: int) -> None:
        if threads != self._running:
            self._apply(threads)
            self._running = threads


def trial(allowed: Sequence[int]) -> Trial:
    """Try each number in turn, three times over, from the fewest threads up.

    So what loses to them by far is noticed at its first steps. The first step on another number makes threads and
    kernels anew, and does not count.
    """
    times: dict[int, list[float]] = {count: [] for count in allowed}
    left = list(allowed)
    best = float("inf")
    for number in range(ROUNDS):
        left = [count for count in left if not times[count] or min(times[count]) <= BEHIND * best]
        for count in list(left):
            best = min((median(steps) for steps in times.values() if steps), default=best)
            warm = yield count
            if number == 0 and warm < LONG_STEP:  # the process's first steps may be slow in more than one way
                warm = yield count
            if warm > 3 * HOPELESS * best:
                times[count].append(warm)
                left.remove(count)
                continue
            for _ in range(max(2 if warm < LONG_STEP else 1, min(20, int(BLOCK_SECONDS / max(warm, 1e-6))))):
                times[count].append((yield count))
                if len(times[count]) > 1 and min(times[count]) > HOPELESS * best:
                    left.remove(count)
                    break
    return times


def best_of(medians: dict[int, float], now: int | None) -> int:
    """Fewest threads that are as good as the best; `now`, where that is as good."""
    limit = min(medians.values()) / WORTH
    if now is not None and medians.get(now, float("inf")) <= limit:
        return now
    return min(count for count, seconds in medians.items() if seconds <= limit)


def doubtful(times: dict[int, list[float]], chosen: int) -> bool:
    """Return True if something disturbed the trial.

    Then a number that was not chosen has shown a step quick enough to be the choice.
    """
    limit = WORTH * median(times[chosen])
    return any(min(steps) < limit for count, steps in times.items() if count != chosen)


def _in_ms(seconds: float) -> str:
    return f"{seconds * 1e3:.3g} ms"
