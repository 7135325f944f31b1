"""What the loop tells the log. Steps are kept on the device and written every 100 ms or 1,000 steps, so that a step
waits neither for the disk nor for the GPU."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass
from typing import Any, Protocol

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from cvtui.engine.observe.clock import Clock, EpochSums
from cvtui.engine.observe.first_steps import Probe
from cvtui.engine.observe.layer_watch import Watch
from cvtui.engine.observe.step_metrics import Meter, Readings
from cvtui.runlog.events import Log, Record, Steps
from cvtui.runlog.nonfinite import places_of
from cvtui.runlog.writer import FLUSH_SECONDS, FLUSH_STEPS, EventWriter
from cvtui.text import rounded_or_none


class Diverged(Exception):
    """The loss (or a gradient) is no longer finite. `step` is the first such step."""

    def __init__(self, step: int, loss: float, what: str = "the loss") -> None:
        word = "NaN" if math.isnan(loss) else "infinite"
        super().__init__(f"{what} was {word} at step {step:,}")
        self.step = step


@dataclass
class Streak:
    """Steps in a row whose loss or gradient is not finite."""

    patience: int
    """So many end the run; 0: none do."""
    length: int = 0
    earliest: int = 0
    """The first bad step of the whole process."""
    first: int = 0
    total: int = 0
    """Bad steps of the whole process."""
    _why: Diverged | None = None

    def take(self, step: int, loss: float, norm: float) -> Diverged | None:
        """What ends the run at this step, if it does."""
        if math.isfinite(loss) and math.isfinite(norm):
            self.length = 0
            return None
        self.length, self.total = self.length + 1, self.total + 1
        if self.total == 1:
            self.earliest = step
        if self.length == 1:
            self.first = step
            self._why = Diverged(step, norm, "a gradient") if math.isfinite(loss) else Diverged(step, loss)
        return self._why if self.length == self.patience else None


class Followed(Protocol):
    """What a journal must know of the training that it follows: our own, or a stranger's."""

    @property
    def model(self) -> nn.Module: ...
    @property
    def optimizer(self) -> Optimizer: ...

    @property
    def step(self) -> int: ...
    @property
    def clock(self) -> Clock: ...
    @property
    def sums(self) -> EpochSums: ...


class FactSource(Protocol):
    def take(self) -> Record | None:
        """What is new; None when nothing is."""


class Journal:
    """Follows a training from its construction to `close`. Hooks are on the model at sampled steps alone, one is on the
    optimiser, which takes the gradients' norm right before each update."""

    _no_grad = torch.no_grad()
    """One object for all steps: as a decorator it costs 2 µs more."""

    def __init__(
        self, writer: EventWriter, training: Followed, watch: Watch, *, strict: bool = True, patience: int = 1
    ) -> None:
        self.writer = writer
        self.strict = strict
        """Steps whose loss is not finite don't count in the means; `patience` of them in a row end the run (Diverged;
        0: none do). Not strict: all is written and counted, whatever it is."""
        self.streak = Streak(patience)
        self.training = training
        self.watch = watch
        self._meter = Meter()
        self._first = training.step
        self._rates: list[float] = []
        self._seconds: list[float] = []
        self._flushed = -math.inf
        self._norm: Tensor | None = None
        self.probe: Probe | None = None
        """What gathers facts for the doctor in the first steps."""
        self.sources: list[FactSource] = []
        """Where facts come from; they are asked at each flush."""
        self._handle = training.optimizer.register_step_pre_hook(self._take_norm)
        watch.begin(training.step)

    def close(self) -> None:
        """No hook stays. What was not flushed is not written."""
        self.watch.cancel()
        self._handle.remove()
        if self.probe is not None:
            self.probe.close()

    def gather(self, probe: Probe, *others: FactSource) -> None:
        """Facts for the doctor: the probe is told of each step, all are asked at each flush."""
        self.probe = probe
        self.sources += [probe, *others]

    @property
    def norm(self) -> Tensor | None:
        """Of all gradients together (a scalar, where they lie), from right before the update on until the step is told;
        None where there are none."""
        return self._norm

    def _take_norm(self, optimizer: Optimizer, *_: Any) -> None:
        gradients = [p.grad for group in optimizer.param_groups for p in group["params"] if p.grad is not None]
        with self._no_grad:
            norms = torch._foreach_norm(gradients) if gradients else ()
            self._norm = torch.linalg.vector_norm(torch.stack(norms).float()) if norms else None

    def step(
        self,
        rate: float,
        loss: Tensor | float,
        *,
        logits: Tensor | None = None,
        labels: Tensor | None = None,
        accuracy: Tensor | float | None = None,
    ) -> None:
        """One step was done (and counted in `training.step`): its rate, its loss (a scalar), and its logits and labels,
        or the share that was right. Nothing is read back from the device here."""
        self.watch.end()
        norm, self._norm = self._norm, None
        if logits is not None and labels is not None and isinstance(loss, Tensor):
            self._meter.add(loss, norm, logits, labels)
        else:
            self._meter.add_share(loss, norm, accuracy)
        if self.probe is not None:
            self.probe.step(loss, labels, logits)
        self._rates.append(rate)
        self._seconds.append(self.training.clock.seconds())
        self.watch.begin(self.training.step)

    def flush_when_due(self) -> None:
        """Writes when 100 ms have passed or 1,000 steps are there. Diverged as in `flush`."""
        if len(self._rates) >= FLUSH_STEPS or time.perf_counter() - self._flushed >= FLUSH_SECONDS:
            self.flush()

    def flush(self) -> None:
        """Writes the steps so far, and the layers sampled among them. Diverged when too many losses in a row are not
        finite: what came up to them is written, what came after is not. (Not `strict`: all is written.)"""
        self._flushed = time.perf_counter()
        if not self._rates:
            self.writer.flush()
            return
        readings = self._meter.read()
        count, found = len(readings.loss), None
        if self.strict:
            for index, (loss, norm) in enumerate(zip(readings.loss, readings.grad_norm, strict=True)):
                if (found := self.streak.take(self._first + index, loss, norm)) is not None:
                    count = index + 1
                    break
        self._sum_up(readings, count)
        first, rates, seconds = self._first, self._rates, self._seconds
        self._first, self._rates, self._seconds = first + len(rates), [], []
        self.writer.write(
            Steps(
                first=first,
                loss=[loss if math.isfinite(loss) else None for loss in readings.loss[:count]],
                lr=[float(f"{rate:.7g}") for rate in rates[:count]],
                accuracy=[rounded_or_none(value, 6) for value in readings.accuracy[:count]],
                grad_norm=[rounded_or_none(value, 6) for value in readings.grad_norm[:count]],
                seconds=[round(second, 5) for second in seconds[:count]],
                not_finite=places_of(
                    {
                        "loss": readings.loss[:count],
                        "grad_norm": [
                            None if place in readings.without else norm
                            for place, norm in enumerate(readings.grad_norm[:count])
                        ],
                    }
                ),
            )
        )
        for sample in self.watch.take():
            if sample.step < first + count:
                self.writer.write(sample)
        for words in filter(None, (self.watch.trouble(), self.probe.trouble() if self.probe is not None else "")):
            self.writer.write(Log(time=time.time(), text=words, level="warning", step=self.training.step))
        for source in self.sources:
            if (facts := source.take()) is not None:
                self.writer.write(facts)
        if found is not None:
            raise found

    def write(self, record: Record) -> None:
        """Any other record, after the steps before it."""
        self.flush()
        self.writer.write(record)

    def _sum_up(self, readings: Readings, count: int) -> None:
        sums = self.training.sums
        for index in range(count):
            mean, images = readings.loss[index], readings.images[index]
            if self.strict and self.streak.patience and not math.isfinite(mean):
                continue  # its update was left out
            sums.images += images
            sums.loss += mean * images  # one by one: the last bit must not tell how often the log was flushed
            sums.right += readings.accuracy[index] * images
