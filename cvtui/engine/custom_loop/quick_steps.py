"""Steps of a custom loop that are only noted: what the loop tells of them is kept, and nothing is looked at.

Beside a step of 1.3 ms the norm of the gradients, a hook on the model and an entry in the log took a tenth of its time,
five times what they take one after the other: the net has pushed their code and data out of the processor's caches. Of
ResNet-18 on images of 32 x 32 the norm alone takes 7 %. So where they take more than SHARE of a loop's time, they are
left out for up to MOST steps in a row, and what was noted goes into the log with the step after. Every loss, rate and
time is in the log; gradients' norms are those of the steps that were looked at (of a loop that tells batches between
two updates: of the next with an update).
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from typing import Any

from torch import Tensor

from cvtui.engine.observe.charges import charged
from cvtui.engine.observe.clock import Clock
from cvtui.engine.observe.first_steps import Probe
from cvtui.engine.observe.recorder import StepRecorder
from cvtui.engine.observe.step_metrics import Quick
from cvtui.runlog.writer import FLUSH_STEPS

SHARE = 0.003
"""Of a loop's time that looks at its steps may take, beside the layers' samples."""
MOST = 9
"""Steps in a row that are only noted: a norm in each of the doctor's windows of ten steps is left."""
BESIDE = 2
"""Times what a step's entry takes: about as much go into the hook on the model."""
SHORT_SECONDS = 0.01
"""Of a step, below which `cvtui run` looks for no labels in one that is only noted: they take 0.1 ms."""
LOOKS = 3
"""Looks that are measured, before any step is left out …"""
PLAIN_LOOKS = 50
"""… and again after so many: what a loop takes may change."""
HELD_SECONDS = 0.1
"""After which noted steps go into the log, whatever is left of their row: a screen follows, and stops, slow ones."""


class QuickSteps:
    """Decides which steps are only noted, and holds what was noted of them."""

    def __init__(self, recorder: StepRecorder, probe: Probe, time_of: Clock, *, wanted: bool) -> None:
        self._recorder, self._probe, self._time_of, self._wanted = recorder, probe, time_of, wanted
        assert recorder.watch.budget.calls is not None
        self._calls = recorder.watch.budget.calls
        self._clock: Callable[[], float] = recorder.watch.budget.clock
        self.left = 0
        """Steps to come that are only noted."""
        self._held: list[Quick] = []
        self._taken: list[float] = []
        """Seconds that noting each of them took."""
        self.plain: list[tuple[Tensor, float, float, float, int]] = []
        """Loss, rate, time, when the call began and images of those after them, where a loop tells no more."""
        self.group: dict[str, Any] | None = None
        """The optimizer's parameters and rate, where it has one group and no norm is waited for."""
        self.until = 0.0
        """The clock's time from which noted steps are handed over."""
        self._only: dict[str, Any] | None = None
        self.are_short = False
        """Steps take less than SHORT_SECONDS."""
        self._owes = False
        """The step that was looked at had no update: the norm is that of the next step with one."""
        self.message = ""
        """What is to be told in the log."""
        self._told = False
        self._row = 0
        """Steps in a row that are only noted, as last measured."""
        self._costs: list[float] = []
        self._steps: list[float] = []
        self._begun = 0.0
        self._last: float | None = None
        self._count = 1
        self._kept = 0
        """Looks to come before it is measured anew."""
        self._measures = False
        recorder.norm.seconds = 0.0 if wanted else None

    def note(self, step: Quick, called: float) -> bool:
        """Keep a step, told by a call that began then; the last of them goes into the log with all others.

        True where they go there before, since they have waited long.
        """
        self._gather()
        if self._owes and (norm := self._recorder.norm.of_step()) is not None:
            self._owes, self.group, self._recorder.norm.resting = False, self._only, True
            step = step._replace(norm=norm)
        self._held.append(step)
        self.left -= 1
        self._taken.append(time.perf_counter() - called)
        if not self.left:
            self.pour()
            return False
        if called < self.until:
            return False
        self._hand_over()
        self.until = called + HELD_SECONDS
        return True

    def _gather(self) -> None:
        """Put the plain ones behind the others."""
        if self.plain:
            begun = time.perf_counter() - self._time_of.seconds()
            self._held += [
                Quick(loss, rate, when - begun, None, images=images) for loss, rate, when, _, images in self.plain
            ]
            self._taken += [when - called for _, _, when, called, _ in self.plain]
            self.plain.clear()

    @charged
    def pour(self) -> None:
        """Hand over what was noted; the next step is looked at."""
        self.left, self._owes = 0, False
        self._gather()
        self._recorder.norm.resting = False
        self._hand_over()
        self._probe.look_again()

    def _hand_over(self) -> None:
        self._calls.add_short(self._taken)
        self._taken.clear()
        held, self._held = self._held, []
        self._probe.number += len(held)
        self._recorder.add_quick(held)

    def begin(self) -> None:
        """Begin the entry of a step that was looked at."""
        self._measures = self._recorder.norm.seconds is not None and not self._recorder.watch.is_looking
        if self._measures:
            self._begun = self._clock()

    def end(self, step: int, groups: list[tuple[str, dict[str, Any]]]) -> None:
        """Close it, and decide how many steps after it are only noted."""
        if self._measures:
            self._measure()
        elif self._wanted:
            self._pause_measuring()
        if self._row and not self._probe.is_early:
            room = FLUSH_STEPS - 1 - self._recorder.pending
            self.left = max(0, min(self._row, self._recorder.watch.idle_steps(step), room))
            if self.left:
                self._count += self.left
                self._only = groups[0][1] if len(groups) == 1 else None
                self._owes = not self._recorder.had_norm
                self.group = None if self._owes else self._only
                self._recorder.norm.resting = not self._owes
                self.until = time.perf_counter() + HELD_SECONDS
                if self._probe.can_rest and not self._recorder.saw_bad_loss:
                    self._probe.rest()

    def _measure(self) -> None:
        """Take what this look took, and every few of them work out how often there may be one."""
        now, recorder = self._clock(), self._recorder
        assert recorder.norm.seconds is not None
        if self._last is not None:
            self._costs.append(recorder.norm.seconds + BESIDE * (now - self._begun))
            self._steps.append((now - self._last) / self._count)
        self._last, self._count, recorder.norm.seconds = now, 1, 0.0
        if len(self._steps) < LOOKS:
            return
        seconds = max(statistics.median(self._steps), 1e-9)
        share, self.are_short = statistics.median(self._costs) / seconds, seconds < SHORT_SECONDS
        self._row = min(MOST, int(share / SHARE)) if share > SHARE else 0
        if self._row and not self._told:
            self._told = True
            self.message = (
                f"looks at each step would take {share:.0%} of the loop's time: gradients' norms, and after the first "
                "epoch batches, are looked at in some steps alone (each tenth at the least)"
            )
        self._costs, self._steps, self._last = [], [], None
        self._kept, recorder.norm.seconds = PLAIN_LOOKS, None

    def _pause_measuring(self) -> None:
        """Count the looks of which no time is taken: reading the clock is a system call."""
        self._count += 1
        self._kept -= 1
        if self._kept <= 0 and self._recorder.norm.seconds is None:
            self._recorder.norm.seconds, self._count = 0.0, 1

    def interrupt(self) -> None:
        """End a row of steps: an epoch, or the run, is over."""
        self._last = None
        if self.left or self._held or self.plain:
            self.pour()
