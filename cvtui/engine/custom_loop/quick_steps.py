"""Steps of a custom loop that are only noted: what the loop tells of them is kept, and nothing is looked at.

Beside a step of 1.3 ms the norm of the gradients, a hook on the model and an entry in the log took a tenth of its time,
five times what they take one after the other: the net has pushed their code and data out of the processor's caches. Of
ResNet-18 on images of 32 x 32 the norm alone takes 7 %. So where they take more than SHARE of a loop's time, they are
left out for up to MOST steps in a row, and what was noted goes into the log with the step after. Every loss, rate and
time is in the log; gradients' norms are those of the steps that were looked at and of each tenth that was not (of a
loop that tells batches between two updates: of the next with an update).
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable

from torch import Tensor
from torch.optim import Optimizer

from cvtui.engine.observe.charges import LooksBeside, charged
from cvtui.engine.observe.clock import Clock
from cvtui.engine.observe.first_steps import Probe
from cvtui.engine.observe.layer_watch import PLAIN_STEPS
from cvtui.engine.observe.recorder import StepRecorder
from cvtui.engine.observe.step_metrics import HELD, Quick
from cvtui.runlog.writer import FLUSH_STEPS

SHARE = 0.003
"""Of a loop's time that looks at its steps may take, beside the layers' samples."""
MOST = 99
"""Steps in a row that are only noted …"""
NORM_EACH = 10
"""… and of which one has its norm taken: the doctor's windows of ten steps have one each."""
BESIDE = 2
"""Times what a step's entry takes: about as much go into the hook on the model."""
SHORT_SECONDS = 0.01
"""Of a step, below which `cvtui run` looks for no labels in one that is only noted: they take 0.1 ms."""
LOOKS = 3
"""Looks that are measured, before any step is left out …"""
PLAIN_LOOKS = 50
"""… and again after so many: what a loop takes may change."""
NOTE_BESIDE = 3e-6
"""Seconds that a call costs a noted step beyond its own (3 µs, measured in turns with a perceptron's steps)."""
MOST_COLDER = 5e-5
"""Seconds at most that colder caches make a noted step of `cvtui run` longer."""
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
        self.slow = 1
        """What is left before the next step of which more is kept than what the loop tells."""
        self.plain: list[tuple[Tensor | float, float, float, float, int] | Quick] = []
        """What was noted: of most loss, rate, time, when the call began, and images, where a loop tells no more."""
        probe.noted = self.plain
        self.only: Optimizer | None = None
        """The one optimizer, where it had one group as the row began and no norm is waited for."""
        self.until = 0.0
        """The clock's time from which noted steps are handed over."""
        self._only: Optimizer | None = None
        self.are_short = False
        """Steps take less than SHORT_SECONDS."""
        self.owes = False
        """A norm is wanted: that of the next step with an update."""
        self._normed = 0
        """What was left before the last step with a norm."""
        self._samples = False
        """The row ends with a sample of the layers; the steps right before it are timed."""
        self._beside = LooksBeside(self._calls, self._clock)
        self.beside, self.colder = NOTE_BESIDE, 0.0
        """Seconds of a noted step beyond its call, and the share of the step that comes to them: it cools our code."""
        self._seconds = 0.0
        """Of a step, as last measured."""
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

    @charged
    def note(self, number: int, step: Quick, called: float) -> bool:
        """Keep the step of this number, told by a call that began then; the last goes into the log with all others.

        True where they go there before, since they have waited long.
        """
        if self.owes and (norm := self._recorder.norm.of_step()) is not None:
            step = step._replace(norm=norm)
            self.owes, self._normed = False, self.left
            self._recorder.norm.rest()
        self.plain.append(step)
        self.left -= 1
        if step.logits is not None and step.logits.numel() * len(self.plain) > HELD:
            self._hand_over()  # which keeps no more of them than right or wrong
        watch = self._recorder.watch
        if watch.is_timed:
            watch.end()
        if self._samples and self.left <= PLAIN_STEPS:
            watch.begin(number)
        self._plan()
        if not self.left:
            self._beside.row_ends()
            self.pour()
            return False
        if called < self.until:
            return False
        self._hand_over()
        self.until = called + HELD_SECONDS
        return True

    def _plan(self) -> None:
        """Work out which step of the row is the next one of which more is kept."""
        watch = self._recorder.watch
        ends = PLAIN_STEPS + 1 if self._samples else 1
        self.slow = self.left if watch.is_timed else max(ends, self._normed - NORM_EACH)
        self.only = None if self.owes else self._only
        if self.left <= self.slow:
            self.arm()

    def arm(self) -> None:
        """Have the norm of the next step taken, where it is its turn."""
        if not self.owes and 0 < self.left <= self._normed - NORM_EACH:
            self.owes, self.only = True, None
            self._recorder.norm.wake()

    def _gather(self) -> None:
        """Put what was noted in one form."""
        if not self.plain:
            return
        begun = time.perf_counter() - self._time_of.seconds()
        for one in self.plain:
            if isinstance(one, Quick):
                self._held.append(one)
            else:
                loss, rate, when, called, images = one
                self._held.append(Quick(loss, rate, when - begun, None, images=images))
                self._taken.append(when - called)
        self.plain.clear()

    @charged
    def pour(self) -> None:
        """Hand over what was noted; the next step is looked at."""
        self.left, self.owes = 0, False
        norm = self._recorder.norm
        norm.wake()
        norm.seconds = None if norm.seconds is None else 0.0  # (of the step that is looked at alone)
        self._hand_over()
        self._probe.look_again()

    def _hand_over(self) -> None:
        self._gather()
        self._calls.add_short(self._taken)
        self._calls.add(len(self._taken) * (self.beside + min(MOST_COLDER, self.colder * self._seconds)))
        self._taken.clear()
        held, self._held = self._held, []
        self._probe.number += len(held)
        self._recorder.add_quick(held)

    def begin(self) -> None:
        """Begin the entry of a step that was looked at."""
        self._measures = self._recorder.norm.seconds is not None and not self._recorder.watch.is_looking
        if self._measures:
            self._begun = self._clock()

    def end(self, step: int, only: Optimizer | None) -> None:
        """Close it, and decide how many steps after it are only noted. only: the optimizer, if it has one group."""
        self._beside.looked(plainly=not self._recorder.watch.was_sampled)
        if self._measures:
            self._measure()
        elif self._wanted:
            self._pause_measuring()
        if self._row and not self._probe.is_early:
            self._begin_row(step, only)

    def _begin_row(self, step: int, only: Optimizer | None) -> None:
        """Begin a row of steps that are only noted."""
        recorder = self._recorder
        row, sampled = min(self._row, FLUSH_STEPS - 1 - recorder.pending), recorder.watch.steps_to_sample(step)
        self._samples = sampled is not None and sampled <= row
        self.left = max(0, sampled if self._samples and sampled is not None else row)
        if not self.left:
            return
        self._count += self.left
        self._only = only
        self.owes, self._normed = not recorder.had_norm, self.left + 1
        if not self.owes:
            recorder.norm.rest()
        self._plan()
        self._beside.row_begins(self.left)
        self.until = time.perf_counter() + HELD_SECONDS
        if self._probe.can_rest and not recorder.saw_bad_loss:
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
        self._seconds = seconds
        share, self.are_short = statistics.median(self._costs) / seconds, seconds < SHORT_SECONDS
        self._row = min(MOST, int(share / SHARE)) if share > SHARE else 0
        if self._row and not self._told:
            self._told = True
            self.message = (
                f"looks at each step would take {share:.0%} of the loop's time: gradients' norms are taken in each "
                "tenth step at the least; after the first epoch batches are looked at in each hundredth at the least"
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
        self._beside.interrupt()
        if self.left or self.plain:
            self.pour()
