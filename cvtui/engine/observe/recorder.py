"""Record training steps; buffer on the device, flush two to ten times a second, or every 1,000 steps.

A step waits neither for the disk nor for the GPU.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from cvtui.engine.observe.clock import Clock, EpochSums
from cvtui.engine.observe.first_steps import BATCHES, Probe
from cvtui.engine.observe.layer_watch import LayerWatch
from cvtui.engine.observe.percent import PercentAccuracy
from cvtui.engine.observe.shards import own_shard
from cvtui.engine.observe.step_metrics import Norm, Quick, Readings, StepMetrics, joined, whole_norm
from cvtui.engine.observe.weight_sample import has_closure
from cvtui.runlog.events import GroupRates, Log, Record, Steps
from cvtui.runlog.nonfinite import places_of
from cvtui.runlog.writer import FLUSH_SECONDS, FLUSH_STEPS, EventWriter
from cvtui.text import rounded, rounded_or_none

LARGEST_STREAK = 24
"""Halvings from GradScaler's first scale, 65,536, to one under which a gradient that still overflows is infinite."""
FEW = 64
"""Gradients whose norms wait for the flush, where those of many steps are put together at once: at the step itself
that takes 7 µs."""


FLUSH_SHARE = 0.005
"""Of a run's time that flushes may take: one of 1.5 ms, most of it the doctor's look, comes every 0.3 s …"""
MOST_SECONDS = 0.5
"""… and a dearer one every half a second. (Ten times a second they took 1.1 to 2.4 % of a run.)"""


class Diverged(Exception):
    """The loss (or a gradient) is not finite any more; `step` is the first such step."""

    def __init__(self, step: int, loss: float, what: str = "the loss") -> None:
        word = "NaN" if math.isnan(loss) else "infinite"
        super().__init__(f"{what} was {word} at step {step:,}")
        self.step = step


@dataclass
class NonfiniteStreak:
    """Consecutive steps whose loss or gradient is not finite."""

    patience: int
    """Length of a streak that ends the run; 0: none does."""
    length: int = 0
    earliest: int = 0
    """The first bad step of the whole process."""
    first: int = 0
    total: int = 0
    """Bad steps of the whole process."""
    _why: Diverged | None = None

    def take(self, step: int, loss: float, norm: float) -> Diverged | None:
        """Count one step; return the error that ends the run at this step, if it does."""
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

    _no_grad = torch.no_grad()
    """One object for all steps: as a decorator it costs 2 µs more."""

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
        self._norm: Norm = None
        self._overflows = 0
        """Steps in a row whose float16 gradients overflowed."""
        self._told_overflow = False
        self._doctor_seconds = 0.0
        self.percent: PercentAccuracy | None = None
        """Of a loop that may tell its accuracy in percent."""
        self.probe: Probe | None = None
        """Probe of the first steps, for the doctor."""
        self.sources: list[FactSource] = []
        """Sources of facts; they are asked at each flush."""
        # Several optimizers of a custom loop: the norm is that over all they hold.
        self._optimizers = list(getattr(training, "optimizers", [training.optimizer]))
        self._handles = [one.register_step_pre_hook(self._before_update) for one in self._optimizers]
        self._late: set[int] = set()
        """Optimizers that were given a closure."""
        self.resting = False
        """The gradients' norm of the step under way is left out (custom_loop/quick_steps.py)."""
        self.norm_seconds: float | None = None
        """What norms took, where that is measured."""
        self.saw_bad_loss = False
        """A loss that was written was not finite."""
        self.had_norm = False
        """The last step that was recorded had gradients."""
        self._norms: dict[int, Tensor] = {}
        self._groups: list[dict[str, float] | None] = []
        watch.begin(training.step)

    def close(self) -> None:
        """Remove all hooks. What was not flushed is not written."""
        self.watch.cancel()
        for handle in self._handles:
            handle.remove()
        if self.probe is not None:
            self.probe.close()

    def add_sources(self, probe: Probe, *others: FactSource) -> None:
        """Register sources of facts: the probe sees each step, all are asked at each flush."""
        self.probe = probe
        self.sources += [probe, *others]

    @property
    def norm(self) -> Tensor | None:
        """Global gradient norm (a scalar on its device), from right before the update until `step`.

        None where there are no gradients.
        """
        norm = self._norm
        if norm is not None and not isinstance(norm, Tensor):
            with self._no_grad:
                norm = self._norm = whole_norm(joined(torch.stack, norm))
        return norm

    def _before_update(self, optimizer: Optimizer, *call: Any) -> None:
        if self.resting:
            return
        if not has_closure(*call):
            if self.norm_seconds is None:
                self._charge_norm(optimizer)
            else:
                begun = self.watch.budget.clock()
                self._charge_norm(optimizer)
                self.norm_seconds += self.watch.budget.clock() - begun
        elif id(optimizer) not in self._late:
            self._late.add(id(optimizer))
            self._handles.append(optimizer.register_step_post_hook(self._after_update))

    def _after_update(self, optimizer: Optimizer, *call: Any) -> None:
        if has_closure(*call) and not self.resting:  # which has made the gradients of this step
            self._charge_norm(optimizer)

    def _charge_norm(self, optimizer: Optimizer) -> None:
        calls = self.watch.budget.calls
        if calls is None:
            self._take_norm(optimizer)
            return
        with calls:
            self._take_norm(optimizer)

    def _take_norm(self, optimizer: Optimizer) -> None:
        found = [
            g if type(g) is Tensor else own_shard(g)  # (a call for each of 60 is a tenth of a small net's norm)
            for group in optimizer.param_groups
            for p in group["params"]
            if (g := p.grad) is not None
        ]
        with self._no_grad:
            norms = torch._foreach_norm(found) if found else ()
            if self.watch.is_looking:
                held = [p for group in optimizer.param_groups for p in group["params"] if p.grad is not None]
                self.watch.note_norms(held, norms)
            self._norm = norms or None
            if norms and (len(norms) > FEW or len(self._optimizers) > 1):
                norm = whole_norm(joined(torch.stack, norms))
                if len(self._optimizers) > 1:
                    self._norms[id(optimizer)] = norm
                    norm = whole_norm(joined(torch.stack, [*self._norms.values()]))
                self._norm = norm

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
        norm = self.norm_of_step()
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

    def norm_of_step(self) -> Norm:
        """Return the gradients' norm of the step under way, and forget it; None where it made no update."""
        norm, self._norm = self._norm, None
        if self._norms:
            self._norms.clear()
        return norm

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

    def take_norm(self) -> Tensor | None:
        """Return the gradients' norm of a step that is captured, and forget it."""
        norm, self._norm = self.norm, None
        return norm

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
        count, diverged = self._until_diverged(readings)
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

    def _until_diverged(self, readings: Readings) -> tuple[int, Diverged | None]:
        """Count the steps up to the one that ends the run, with its error.

        All of them, and None, where none does.
        """
        if self.strict:
            for index, (loss, norm) in enumerate(zip(readings.loss, readings.grad_norm, strict=True)):
                if self._overflowed(index, loss, norm, readings):
                    continue
                if (error := self.streak.take(self._first + index, loss, norm)) is not None:
                    return index + 1, error
        return len(readings.loss), None

    def _overflowed(self, index: int, loss: float, norm: float, readings: Readings) -> bool:
        """Return True for a step of float16 whose gradients overflowed: it is left out, and no fault.

        Not after LARGEST_STREAK in a row: then no scale helps.
        """
        if getattr(self.training, "scaler", None) is None or not math.isfinite(loss) or math.isfinite(norm):
            self._overflows = 0
            return False
        self._overflows += 1
        if self._overflows > LARGEST_STREAK:
            return False
        readings.without.add(index)
        if not self._told_overflow:
            self._told_overflow = True
            what = f"float16: the gradients overflowed at step {self._first + index:,}"
            text = f"{what}; such an update is left out and the loss scaled less"
            self.writer.write(Log(time=time.time(), text=text, step=self._first + index))
        return True

    def write(self, record: Record) -> None:
        """Write any other record, after the steps before it."""
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
