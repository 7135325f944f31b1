"""The run of a watched loop, from its block's begin to its end: what a loop tells of itself goes into a run folder."""

from __future__ import annotations

import time
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from cvtui.engine.custom_loop.epochs import Epochs, finite
from cvtui.engine.custom_loop.extras import LoopExtras
from cvtui.engine.custom_loop.first_and_last import Stopped, ending, started
from cvtui.engine.custom_loop.leader import Leader
from cvtui.engine.custom_loop.quick_steps import QuickSteps
from cvtui.engine.custom_loop.told import RateFollower, announce
from cvtui.engine.custom_loop.user_loop import UserLoop
from cvtui.engine.observe import copies
from cvtui.engine.observe.charges import Calls, charged
from cvtui.engine.observe.clock import Clock
from cvtui.engine.observe.data_checks import data_facts
from cvtui.engine.observe.feature_map_writer import FeatureMapWriter, UserImages
from cvtui.engine.observe.first_steps import Probe
from cvtui.engine.observe.forward_hooks import forward_hooks
from cvtui.engine.observe.image_writer import ImageWriter
from cvtui.engine.observe.lasting import lasting
from cvtui.engine.observe.layer_watch import LayerWatch
from cvtui.engine.observe.live_doctor import LiveDoctorWriter
from cvtui.engine.observe.loop_arguments import (
    Labels,
    checked_confusion,
    checked_count,
    checked_labels,
    checked_model,
    checked_name,
    checked_number,
    checked_optimizers,
    checked_runs,
)
from cvtui.engine.observe.parameter_groups import ParameterGroups
from cvtui.engine.observe.recorder import StepRecorder
from cvtui.engine.observe.shards import class_name
from cvtui.engine.observe.step_metrics import Quick
from cvtui.engine.observe.watch_budget import budget_for
from cvtui.engine.runtime.job_rank import job_rank
from cvtui.engine.train.control import Control, StopRequested
from cvtui.runlog.events import Log, RunEnded
from cvtui.runlog.lock import WorkerLock

_OF_THE_BLOCK = frozenset(("folder", "_recorder", "_extras", "_quick", "_calls"))
"""What `__enter__` makes, and the loop's calls need first."""
_RECIPE = "# A training loop recorded by cvtui.watch: there is no recipe that would repeat it.\n"


class WatchedRun:
    """Recorder of a training loop into a run folder; `cvtui.watch` makes it.

    `folder` is its run folder. Commands from a screen are applied in `step`: pause, resume, a new rate (all groups'),
    save (the model's state_dict), look (feature maps of a validation image) and stop.
    """

    def __init__(
        self,
        model: nn.Module,
        optimizer: Optimizer | Sequence[Optimizer] | Mapping[str, Optimizer],
        *,
        name: str = "",
        every: int = 10,
        runs: str | Path = "runs",
        total_steps: int = 0,
        steps_per_epoch: int = 0,
        classes: tuple[str, ...] | list[str] = (),
        train: Any = None,
        validation: Any = None,
    ) -> None:
        self._leader = Leader(job_rank(), checked_model(model))
        self.model = self._leader.model
        optimizers = checked_optimizers(optimizer)
        self.optimizers = list(optimizers.values())
        self.optimizer = self.optimizers[0]
        self.groups = ParameterGroups(self.model, optimizers)
        self.name = checked_name(name)
        self.every = checked_count("every", every)
        self.runs = checked_runs(runs)
        self.total_steps = checked_count("total_steps", total_steps)
        self.steps_per_epoch = checked_count("steps_per_epoch", steps_per_epoch)
        self.classes = list(classes)
        self.train = train
        self.validation = validation
        self._images = UserImages(validation, self.model)
        self._hooks = forward_hooks(self.model)
        self._told_compiled = False
        # What the recorder follows (RecordedTraining in recorder.py).
        self.step_count = 0
        self._rate = RateFollower()
        self.clock = Clock()
        self.epochs = Epochs()
        self._over = self._told_over = False

    # ------------------------------------------------------------------ the block

    if not TYPE_CHECKING:  # mypy would take every attribute for granted

        def __getattr__(self, name: str) -> Any:
            """Say what is missing where a loop uses a run whose block has not begun."""
            if name in _OF_THE_BLOCK:
                raise AttributeError("the run begins with its block: with cvtui.watch(model, optimizer) as run: …")
            raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}", name=name, obj=self)

    def __enter__(self) -> WatchedRun:
        stem = self.name or time.strftime("%Y-%m-%d-%H%M%S-") + class_name(self.model).lower()
        self.folder = self._leader.run_folder(self.runs, stem, _RECIPE)
        self._over = False
        self._lock: WorkerLock = self.folder.lock()
        self._writer = LiveDoctorWriter(self.folder)
        copies.keep_out()
        try:
            self._begin()
        except BaseException as error:  # else the run would be taken for one that was lost
            self._end(error)
            raise
        announce(self.folder.path)
        return self

    def _begin(self) -> None:
        """Write the start of the run and put the hooks on."""
        if (former := self._leader.former) is not None:
            self.step_count = former.step
            self.epochs.go_on(former)
        self._writer.write(started(self, self._images, self._leader.record()))
        for line in self._leader.lines():
            self._writer.write(line)
        self._leader.begin(self.folder, self.optimizers, self.step_count)
        facts = data_facts(self.train, self.validation, classes=len(self.classes))
        if facts is not None:
            self._writer.write(facts)
        self.clock = Clock(former.seconds if former is not None else 0.0)
        budget = budget_for(self.model)
        self._calls = budget.calls = Calls(budget.clock)
        self._calls.begin()
        loop, watch = UserLoop(self), LayerWatch(self.model, self.optimizers, self.every, budget)
        self._recorder = StepRecorder(self._writer, loop, watch, strict=False)
        images = ImageWriter(self.folder, self._recorder.write_all)
        self._maps = FeatureMapWriter(self.model, self._images, images, self.classes, self._without_autocast)
        self._control = Control(loop, self._recorder, watch, self._leader.commands(self.folder, self.log))
        scan = facts is None or facts.bad_count is None
        self._probe = Probe(
            self.model,
            self.optimizers,
            scan_inputs=scan,
            layer_rates=self.groups.rates_by_layer(),
            calls=self._calls,
        )
        self._extras = LoopExtras(self.folder.path, self, self._writer, self._probe)
        self._recorder.percent = self._extras.training
        self._recorder.add_sources(self._probe, self._extras)
        self._quick = QuickSteps(self._recorder, self._probe, self.clock, wanted=self._leader.is_alone)
        self._calls.end()

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> bool:
        """Remove the hooks and end the run: finished, stopped (from a screen, by ctrl+c), or failed."""
        self._calls.begin()
        try:
            try:
                self._quick.interrupt()
            finally:
                self._recorder.close()
            self._recorder.flush()
            if (facts := self._probe.remaining()) is not None:
                self._writer.write(facts)
            self._extras.close()
        finally:
            self._end(value, self._recorder.watch.cost())
        return isinstance(value, Stopped)

    def _end(self, error: BaseException | None, cost: float | None = None) -> None:
        """Write how the run ended, and let go of its folder. cost: the share of its time that watching took."""
        try:
            if trouble := self._leader.close():
                self._writer.write(Log(time=time.time(), text=trouble, level="warning"))
            self._hooks.close()
            status, reason = ending(error)
            self._writer.write(
                RunEnded(time=time.time(), step=self.step_count, status=status, reason=reason, watch_cost=cost)
            )
        finally:
            copies.let_in()
            self._over = True
            self._writer.close()
            self._lock.release()

    def _without_autocast(self) -> torch.autocast:
        # Not in the loop's own autocast: its copies of the weights, made here without gradients, would stay.
        parameter = next(self.model.parameters(), torch.zeros(()))
        return torch.autocast(parameter.device.type, enabled=False)

    # ------------------------------------------------------------------ what the loop tells

    def _is_over(self, call: str) -> bool:
        """Return True once the block has ended; the first such call is told, and ends no training of hours."""
        if self._over and not self._told_over:
            self._told_over = True
            warnings.warn(
                f"run.{call}() was called after the block of cvtui.watch: the run {self.folder.name} has ended, and "
                "nothing more is recorded. Indent the loop into the block",
                RuntimeWarning,
                stacklevel=4,
            )
        return self._over

    def step(
        self, *, loss: Tensor | float, accuracy: Tensor | float | None = None, labels: Labels | None = None
    ) -> None:
        """Record one optimizer step.

        loss: a scalar. accuracy: the batch's share of right answers, 0..1, or in percent. labels: the batch's, where
        they lie (the first few batches' tell the doctor whether classes are mixed).

        Where looks would take much of a step, most steps are only noted (3 to 10 µs); of each tenth the exact norm of
        the gradients is taken. Waits for the log's flushes alone, two to ten times a second.
        """
        called, quick = time.perf_counter(), self._quick
        # (The most of a loop's steps come here, and each function that is called takes 3 µs: its code is in no cache.)
        if (
            quick.left > quick.slow
            and called < quick.until
            and type(loss) is Tensor
            and accuracy is None
            and labels is None
            and loss.requires_grad
            and loss.numel() == 1
        ):
            groups = () if quick.only is None else quick.only.param_groups
            if len(groups) == 1 and type(rate := groups[0]["lr"]) is float:
                quick.left -= 1
                self.step_count += 1
                # (A tensor that is held lies between others, in memory that the loop's next step wants in one piece.)
                value = loss.item() if loss.is_cpu else loss.detach()
                quick.plain.append((value, rate, time.perf_counter(), called, 1))
                if quick.left == quick.slow:
                    quick.arm()
                return
        told = None if accuracy is None else _settled(checked_number("accuracy", accuracy))
        self._step(_settled(checked_number("loss", loss)), told, checked_labels(labels))

    def rested(self, loss: Tensor, images: int) -> None:
        """Record a step of so many images that was only noted, as `step_of` does the others."""
        called, quick = time.perf_counter(), self._quick
        self.step_count += 1
        groups = () if quick.only is None else quick.only.param_groups
        if quick.left > quick.slow and called < quick.until and len(groups) == 1:
            quick.left -= 1
            value = loss.item() if loss.is_cpu else loss
            quick.plain.append((value, float(groups[0]["lr"]), time.perf_counter(), called, images))
            if quick.left == quick.slow:
                quick.arm()
            return
        rate, rates = self.groups.now()
        if quick.note(self.step_count, Quick(_kept(loss), rate, self.clock.seconds(), rates, images=images), called):
            self._attend(rate)

    def notes_next(self) -> bool:
        """Return True where of the next step no more is wanted than its loss: it is short beside looks at labels."""
        return self._quick.left > 0 and self._quick.are_short and not self._quick.owes

    def step_of(self, loss: Tensor, logits: Tensor, labels: Tensor) -> None:
        """Record one step by its loss (a scalar), outputs N x C and labels (N, or N x C yes and no)."""
        self._step(_settled(loss), None, labels, logits)

    def _step(
        self,
        loss: Tensor | float,
        accuracy: Tensor | float | None,
        labels: Tensor | None,
        logits: Tensor | None = None,
    ) -> None:
        if self._over and self._is_over("step"):
            return
        self.step_count += 1
        called, quick, (rate, rates) = time.perf_counter(), self._quick, self.groups.now()
        if quick.left:
            held = _detached(accuracy), _detached(logits), None if labels is None else lasting(labels)
            told = Quick(_kept(loss), rate, self.clock.seconds(), rates, *held)
            if quick.note(self.step_count, told, called):
                self._attend(rate)
            return
        self._look(rate, rates, loss, accuracy, labels, logits)

    @charged
    def _look(
        self,
        rate: float,
        rates: dict[str, float] | None,
        loss: Tensor | float,
        accuracy: Tensor | float | None,
        labels: Tensor | None,
        logits: Tensor | None,
    ) -> None:
        """Record a step that is looked at."""
        quick = self._quick
        quick.begin()
        self._recorder.step(rate, loss, logits=logits, labels=labels, accuracy=accuracy, groups=rates)
        quick.end(self.step_count, self.optimizer if len(self.groups.named()) == 1 else None)
        self._attend(rate)
        self._leader.step(loss, labels)

    @charged
    def _attend(self, rate: float) -> None:
        """Write what is due, and do what a screen asks for."""
        quick = self._quick
        self._recorder.flush_when_due()
        if told := self._rate.see(rate):
            self._recorder.write(Log(time=time.time(), text=told, step=self.step_count, level="warning"))
        if quick.message:
            text, quick.message = quick.message, ""
            self.log(text)
        if self._hooks.called and not self._told_compiled:
            self._told_compiled = True
            self.log("the model runs through torch.compile: its layers' outputs are read inside the compiled code")
        try:
            self._control.apply_pending()
        except StopRequested as asked:
            raise Stopped(str(asked)) from None

    @charged
    def epoch(
        self,
        *,
        val_loss: Tensor | float | None = None,
        val_accuracy: Tensor | float | None = None,
        confusion: Sequence[Sequence[int]] | np.ndarray | Tensor | None = None,
    ) -> None:
        """Record the end of an epoch, with its validation results. Training means are those of its steps."""
        if self._is_over("epoch"):
            return
        counts = checked_confusion(confusion)
        self._quick.interrupt()
        self._extras.epoch()
        with self._writer.together():
            self._recorder.flush()
            accuracy = self._extras.validation.share(finite(val_accuracy))
            seconds = self.clock.seconds()
            self._writer.write(
                self.epochs.end(self.step_count, seconds, val_loss=val_loss, accuracy=accuracy, confusion=counts)
            )
            if not self._leader.synchronous and (facts := self._probe.mode_losses()) is not None:
                self._writer.write(facts)
        self._leader.epoch()

    @charged
    def log(self, /, text: str = "", **scalars: Tensor | float) -> None:
        """Add a line to the log pane, or numbers of your own to the run: `run.log(iou=…, f1=…)`, a pane each.

        They belong to the steps done so far; before the first `step()` they are numbered. Tensors are copied where
        they lie and read with the next steps.
        """
        if not isinstance(text, str):
            raise TypeError(f'run.log("text") or run.log(iou=…) is meant, not run.log of a {type(text).__name__}')
        if self._is_over("log"):
            return
        self._quick.interrupt()
        if text:
            self._recorder.write(Log(time=time.time(), text=text, step=self.step_count))
        if scalars:
            self._extras.log(self.step_count, scalars)


def _detached(value: Any) -> Any:
    return value.detach() if isinstance(value, Tensor) else value


def _kept(loss: Tensor | float) -> Tensor | float:
    """Return a loss as it is kept: its value where reading it waits for nothing."""
    return loss.item() if type(loss) is Tensor and loss.is_cpu and loss.numel() == 1 else _detached(loss)


def _settled(value: Tensor | float) -> Tensor | float:
    """Return a number that keeps until it is read: one without a graph the loop may set back, as sums of its own."""
    return value.detach().clone() if isinstance(value, Tensor) and not value.requires_grad else value
