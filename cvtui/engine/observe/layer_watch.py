"""Sample layer statistics at every Nth step, with hooks that are registered for that step alone.

Nothing is read back on the step itself: the numbers stay on their device until `take`. Watching changes no bit of the
training: it reads outputs and weights, draws no random numbers and leaves mode and buffers alone.
"""

from __future__ import annotations

import time
from collections import deque

from torch import Tensor, nn
from torch.optim import Optimizer

from cvtui.engine.observe.layer_sample import LayerSample, Pending, is_compiled, record_of, watched_layers
from cvtui.engine.runtime.memory import is_out_of_memory
from cvtui.runlog.events import LayersSampled

__all__ = ["LayerWatch", "watched_layers"]

FREE_SAMPLES = 40
"""The first samples are taken at exactly every Nth step. Later ones, still at multiples of N, also keep a distance in
time: a quarter of a second, so that the log of a long run grows slowly, and 50 times what the last sample took, so
that watching costs at most 2 %. This moves no loss: what is sampled changes no bit of the training."""
SECONDS_APART = 0.25
COSTS_APART = 50.0


class LayerWatch:
    """Layer statistics of `model` while `optimizer` trains it.

        watch.begin(number)           # hooks go on, if this step is due
        forward, backward, optimizer.step()
        watch.end()                   # and off
        records = watch.take()        # now and then: what was sampled since

    every: sample at steps that are multiples of it; 0 is never. Forward passes without gradients (a validation between
    two steps) are not looked at; of several with gradients, the last before the update counts.
    """

    def __init__(self, model: nn.Module, optimizer: Optimizer, every: int) -> None:
        self.layers = watched_layers(model)
        self.root = None if is_compiled(model) else model
        """Whose forward passes are looked at; None where hooks would not be called."""
        self.optimizer = optimizer
        self._sample: LayerSample | None = None
        self.every = every
        self.seconds = 0.0
        """Spent on watching so far."""
        self._lost: list[int] = []
        """Steps whose sample there was no memory for."""
        self._reported = 0
        self._samples = 0
        self._last = 0.0
        self._last_cost = 0.0
        self._pending: list[Pending] = []
        self._alive: dict[str, deque[Tensor]] = {}
        self._born = time.perf_counter()

    def due(self, step: int) -> bool:
        if not self.every or step % self.every:
            return False
        if self._samples < FREE_SAMPLES:
            return True
        return time.perf_counter() - self._last >= max(SECONDS_APART, COSTS_APART * self._last_cost)

    @property
    def is_looking(self) -> bool:
        """True while hooks of a sampled step are registered."""
        return self._sample is not None

    def begin(self, step: int) -> None:
        """Register the hooks before a training step, if it is due."""
        self.cancel()
        if self.due(step):
            self._sample = LayerSample(step, self.layers, self.root, self.optimizer, self._alive)
            self._sample.hook()

    def cancel(self) -> None:
        """Remove the hooks of the step that was begun; no record comes of it."""
        if self._sample is not None:
            self._sample.unhook()
            self._sample = None

    def end(self) -> None:
        """Remove the hooks after the step; what they saw waits for `take`."""
        sample = self._sample
        if sample is None:
            return
        self.cancel()
        begun = time.perf_counter()
        gathered = None
        try:
            gathered = None if sample.lost else sample.gathered()
        except (RuntimeError, MemoryError) as error:
            if not is_out_of_memory(error):
                raise
        self._samples += 1
        self._last = time.perf_counter()
        self._last_cost = sample.seconds + self._last - begun
        self.seconds += self._last_cost
        cost = self.seconds / max(self._last - self._born, 1e-9)
        if gathered is None:
            self._lost.append(sample.step)
        else:
            self._pending.append(Pending(sample.step, *gathered, cost))

    def take(self) -> list[LayersSampled]:
        """Return the samples since the last call, read from the device now."""
        begun = time.perf_counter()
        records = [record_of(pending) for pending in self._pending]
        self._pending.clear()
        self.seconds += time.perf_counter() - begun
        return records

    def trouble(self) -> str:
        """Return a message about lost samples, for the first, the tenth, the hundredth …; else ""."""
        count = len(self._lost)
        if count < 10 * self._reported or not count:
            return ""
        first, self._reported = not self._reported, 10 ** (len(str(count)) - 1)
        if first:
            return f"no memory to look at the layers at step {self._lost[0]:,}: left out; the training goes on"
        return f"no memory to look at the layers: {count:,} looks were left out so far"

    def exclude_time(self, seconds: float) -> None:
        """Leave a pause out of the time that the cost of watching is a share of."""
        self._born += seconds
