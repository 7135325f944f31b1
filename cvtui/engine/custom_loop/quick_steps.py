"""Steps of a custom loop that are only noted: what the loop tells of them is kept, and nothing is looked at.

Beside a step of 1.3 ms the norm of the gradients, a hook on the model and an entry in the log took a tenth of its time,
five times what they take one after the other: the net has pushed their code and data out of the processor's caches. Of
ResNet-18 on images of 32 x 32 the norm alone takes 7 %. So where they take more than SHARE of a loop's time, they are
left out for up to MOST steps in a row, and what was noted goes into the log with the step after. Every loss, rate and
time is in the log; gradients' norms are those of the steps that were looked at.
"""

from __future__ import annotations

import statistics
from collections import deque
from collections.abc import Callable

from cvtui.engine.observe.first_steps import Probe
from cvtui.engine.observe.recorder import StepRecorder
from cvtui.engine.observe.step_metrics import Quick

SHARE = 0.003
"""Of a loop's time that looks at its steps may take, beside the layers' samples."""
MOST = 9
"""Steps in a row that are only noted: a norm in each of the doctor's windows of ten steps is left."""
BESIDE = 2
"""Times what a step's entry takes: about as much go into the hook on the model."""
LEAST = 3
"""Steps that are measured, before any is left out."""


class QuickSteps:
    """Decides which steps are only noted, and holds what was noted of them."""

    def __init__(self, recorder: StepRecorder, probe: Probe, *, wanted: bool) -> None:
        self._recorder, self._probe, self._wanted = recorder, probe, wanted
        self._clock: Callable[[], float] = recorder.watch.budget.clock
        self.left = 0
        """Steps to come that are only noted."""
        self.told = False
        """A step was left out."""
        self._held: list[Quick] = []
        self._costs: deque[float] = deque(maxlen=5)
        self._steps: deque[float] = deque(maxlen=5)
        self._begun = 0.0
        self._last: float | None = None
        self._count = 1
        self._measured = False
        recorder.norm_seconds = 0.0 if wanted else None

    def note(self, step: Quick) -> None:
        """Keep a step; the last of them goes into the log with all others."""
        self._held.append(step)
        self.left -= 1
        if not self.left:
            self.pour()

    def pour(self) -> None:
        """Hand over what was noted; the next step is looked at."""
        self.left = 0
        self._recorder.resting = False
        held, self._held = self._held, []
        self._probe.look_again(len(held))
        self._recorder.add_quick(held)

    def begin(self) -> None:
        """Begin the entry of a step that was looked at."""
        self._measured = self._wanted and not self._recorder.watch.is_looking
        if self._measured:
            self._begun = self._clock()

    def end(self, step: int) -> None:
        """Close it, and decide how many steps after it are only noted."""
        if not self._wanted:
            return
        recorder = self._recorder
        if self._measured:
            now = self._clock()
            assert recorder.norm_seconds is not None
            self._costs.append(recorder.norm_seconds + BESIDE * (now - self._begun))
            if self._last is not None:
                self._steps.append((now - self._last) / self._count)
            self._last, self._count = now, 1
        else:
            self._count += 1
        recorder.norm_seconds = 0.0
        if len(self._steps) < LEAST or self._probe.is_early:
            return
        share = statistics.median(self._costs) / max(statistics.median(self._steps), 1e-9)
        if share <= SHARE:
            return
        wanted = min(MOST, int(share / SHARE))
        self.left = min(wanted, recorder.watch.idle_steps(step))
        if self.left:
            self._count += self.left
            self.told = recorder.resting = True
            if self._probe.can_rest and not recorder.saw_bad_loss:
                self._probe.rest()

    def interrupt(self) -> None:
        """End a row of steps: an epoch, or the run, is over."""
        self._last = None
        if self.left or self._held:
            self.pour()
