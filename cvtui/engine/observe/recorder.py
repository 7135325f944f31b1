"""Record training steps; buffer on the device, flush two to ten times a second, or every 1,000 steps.

A step waits neither for the disk nor for the GPU.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from typing import Protocol

from torch import Tensor, nn
from torch.optim import Optimizer

from cvtui.engine.observe.clock import Clock, EpochSums
from cvtui.engine.observe.divergence import Divergence, NonfiniteStreak
from cvtui.engine.observe.first_steps import BATCHES, Probe
from cvtui.engine.observe.gradient_norm import GradientNorm
from cvtui.engine.observe.layer_watch import LayerWatch
from cvtui.engine.observe.percent import PercentAccuracy
from cvtui.engine.observe.step_metrics import Quick, Readings, StepMetrics
from cvtui.runlog.events import GroupRates, Log, Record, Steps
from cvtui.runlog.nonfinite import places_of
from cvtui.runlog.writer import FLUSH_SECONDS, FLUSH_STEPS, EventWriter
from cvtui.text import rounded, rounded_or_none

FLUSH_SHARE = 0.005
"""Of a run's time that flushes may take: one of 1.5 ms, most of it the doctor's look, comes every 0.3 s …"""
MOST_SECONDS = 0.5
"""… and a dearer one every half a second. (Ten times a second they took 1.1 to 2.4 % of a run.)"""


class RecordedTraining(Protocol):
    """Training loop as the recorder sees it (trainer or `cvtui.watch`)."""

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
        """Return what is new; None when nothing is."""


class StepRecorder:
    """Recorder of a training from its construction to `close`.

    Hooks are on the model at sampled steps alone; one is on the optimizer, which takes the gradients' norm right before
    each update.
    """

    def __init__(
        self,
        writer: EventWriter,
        training: RecordedTraining,
        watch: LayerWatch,
        *,
        strict: bool = True,
        patience: int = 1,
    ) -> None:
        self.writer = writer
        self.strict = strict
        """Steps whose loss is not finite don't count in the means; `patience` of them in a row end the run (Diverged;
        0: none do). Not strict: all is written and counted, whatever it is."""
        self.streak = NonfiniteStreak(patience)
        self._divergence = Divergence(writer, self.streak)
        self.training = training
        self.watch = watch
        self._metrics = StepMetrics()
        self.merge: Callable[[Readings], Readings] | None = None
        """Makes of this process's readings those of all ranks that share the batches (engine/ranks)."""
        self._first = training.step
        self._rates: list[float] = []
        self._seconds: list[float] = []
        self._flushed = -math.inf
        self._apart = FLUSH_SECONDS
        """Seconds to the next flush, by what the last one took."""
        self._doctor_seconds = 0.0
        self.percent: PercentAccuracy | None = None
        """Of a loop that may tell its accuracy in percent."""
        self.probe: Probe | None = None
        """Probe of the first steps, for the doctor."""
        self.sources: list[FactSource] = []
        """Sources of facts; they are asked at each flush."""
        optimizers = list(getattr(training, "optimizers", [training.optimizer]))
        self.norm = GradientNorm(optimizers, watch)
        self.saw_bad_loss = False
        """A loss that was written was not finite."""
        self.had_norm = False
        """The last step that was recorded had gradients."""
        self._groups: list[dict[str, float] | None] = []
        watch.begin(training.step)

    def close(self) -> None:
        """Remove all hooks. What was not flushed is not written."""
        self.watch.cancel()
        self.norm.close()
        if self.probe is not None:
            self.probe.close()

    def add_sources(self, probe: Probe, *others: FactSource) -> None:
        """Register sources of facts: the probe sees each step, all are asked at each flush."""
        self.probe = probe
        self.sources += [probe, *others]

    def step(
        self,
        rate: float,
        loss: Tensor | float,
        *,
        logits: Tensor | None = None,
        labels: Tensor | None = None,
        accuracy: Tensor | float | None = None,
        groups: dict[str, float] | None = None,
    ) -> None:
        """Record one step, already counted in `training.step`; nothing is read back from the device here.

        loss: a scalar. logits and labels, or accuracy: the share that was right. groups: rates by name of several
        parameter groups.
        """
        self.watch.end()
        norm = self.norm.of_step()
        self.had_norm = norm is not None
        self._groups.append(groups)
        if logits is not None and labels is not None and isinstance(loss, Tensor):
            self._metrics.add(loss, norm, logits, labels)
        else:
            self._metrics.add_share(loss, norm, accuracy)
        if self.probe is not None:
            self.probe.step(loss, labels, logits, accuracy)
        self._rates.append(rate)
        self._seconds.append(self.training.clock.seconds())
        self.watch.begin(self.training.step)

    def add_quick(self, steps: Sequence[Quick]) -> None:
        """Add steps that were held meanwhile."""
        self._metrics.add_quick(steps)
        self._groups += [one.groups for one in steps]
        self._rates += [one.rate for one in steps]
        self._seconds += [one.seconds for one in steps]

    @property
    def pending(self) -> int:
        """Steps that are not written yet."""
        return len(self._rates)

    @property
    def needs_host(self) -> bool:
        """True as long as every step must be seen as it runs: the first ones."""
        return self.probe is not None and self.probe.seen < BATCHES

    def step_reduced(self, rate: float, loss: Tensor, norm: Tensor, accuracy: Tensor, images: int) -> None:
        """Record a replayed step: scalars on the device (accuracy: of shape 1) that keep until the next flush."""
        self.watch.end()
        self._groups.append(None)
        self._metrics.add_reduced(loss, norm, accuracy, images)
        if self.probe is not None:
            self.probe.step(loss, None)
        self._rates.append(rate)
        self._seconds.append(self.training.clock.seconds())
        self.watch.begin(self.training.step)

    def flush_when_due(self) -> None:
        """Flush when 1,000 steps are there, or 100 to 500 ms have passed. Raises Diverged as `flush`.

        The time between two flushes is what the last one took over FLUSH_SHARE.
        """
        if len(self._rates) >= FLUSH_STEPS or time.perf_counter() - self._flushed >= self._apart:
            self.flush()

    def flush(self) -> None:
        """Write the steps so far, and the layers sampled among them.

        Raises Diverged when too many losses in a row are not finite: what came up to them is written, what came after
        is not. (Not `strict`: all is written.)
        """
        self._flushed = time.perf_counter()
        if not self._rates:
            self.writer.flush()
            self.watch.resume_step()
            return
        clock = self.watch.budget.clock
        begun = clock()
        try:
            with self.writer.together():
                self._flush()
        finally:
            self._apart = max(FLUSH_SECONDS, min(MOST_SECONDS, (clock() - begun) / FLUSH_SHARE))
            self.watch.resume_step()

    def _flush(self) -> None:
        readings = self._read()
        if self.percent is not None:
            readings.accuracy = self.percent.shares(readings.accuracy)
        if self.merge is not None:
            readings = self.merge(readings)
        count, diverged = len(readings.loss), None
        if self.strict:
            scaled = getattr(self.training, "scaler", None) is not None
            count, diverged = self._divergence.until(readings, self._first, scaled=scaled)
        self.saw_bad_loss = self.saw_bad_loss or not math.isfinite(sum(readings.loss))
        self._sum_up(readings, count)
        first, rates, seconds, groups = self._first, self._rates, self._seconds, self._groups
        self._first, self._rates, self._seconds, self._groups = first + len(rates), [], [], []
        self.writer.write(
            Steps(
                first=first,
                loss=[loss if math.isfinite(loss) else None for loss in readings.loss[:count]],
                lr=[rounded(rate, 7) for rate in rates[:count]],
                accuracy=[rounded_or_none(value, 6) for value in readings.accuracy[:count]],
                grad_norm=[rounded_or_none(value, 6) for value in readings.grad_norm[:count]],
                groups=_group_rates(groups[:count]),
                seconds=[round(second, 5) for second in seconds[:count]],
                not_finite=places_of(
                    {
                        "loss": readings.loss[:count],
                        "grad_norm": [
                            None if index in readings.without else norm
                            for index, norm in enumerate(readings.grad_norm[:count])
                        ],
                    }
                ),
            )
        )
        self._write_samples(first + count)
        for source in self.sources:
            if (facts := source.take()) is not None:
                self.writer.write(facts)
        for message in filter(None, (self.watch.trouble(), self.probe.trouble() if self.probe is not None else "")):
            self.writer.write(Log(time=time.time(), text=message, level="warning", step=self.training.step))
        if diverged is not None:
            raise diverged

    def _read(self) -> Readings:
        calls = self.watch.budget.calls
        if calls is None or not calls.waits_are_seen:
            return self._metrics.read()
        begun = time.perf_counter()
        readings = self._metrics.read()
        calls.exclude(time.perf_counter() - begun)  # the GPU does the loop's own work meanwhile
        return readings

    def _write_samples(self, end: int) -> None:
        """Write the samples of the steps before `end`; what it takes is charged to watching, the doctor's part too."""
        samples = self.watch.take()
        if samples:
            clock = self.watch.budget.clock
            begun = clock()
            for sample in samples:
                if sample.step < end:
                    self.writer.write(sample)
            self.watch.budget.add_reading(clock() - begun)
        doctor, self._doctor_seconds = self._doctor_seconds, self.writer.layer_seconds
        self.watch.budget.add_reading(self._doctor_seconds - doctor)

    def write(self, record: Record) -> None:
        """Write any other record, after the steps before it."""
        self.flush()
        self.writer.write(record)

    def write_all(self, *records: Record) -> None:
        """Write some in one piece."""
        self.flush()
        self.writer.write_all(*records)

    def _sum_up(self, readings: Readings, count: int) -> None:
        sums = self.training.sums
        for index in range(count):
            mean, images = readings.loss[index], readings.images[index]
            if self.strict and self.streak.patience and not math.isfinite(mean):
                continue  # its update was left out
            sums.images += images
            sums.loss += mean * images  # one by one: the last bit must not tell how often the log was flushed
            if not math.isnan(accuracy := readings.accuracy[index]):
                sums.right += accuracy * images
                sums.answered += images


def _group_rates(steps: list[dict[str, float] | None]) -> list[GroupRates]:
    """Return each group's rates over some steps; [] where there is one group alone."""
    names = dict.fromkeys(name for step in steps if step for name in step)
    found = []
    for name in names:
        lr = [None if step is None or name not in step else rounded(step[name], 7) for step in steps]
        same = len(set(lr)) == 1
        found.append(GroupRates(name=name, rate=lr[0]) if same else GroupRates(name=name, lr=lr))
    return found
