"""Training loop: sample a batch, forward, backward, update; evaluate after each epoch."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from typing import Any, Literal

from cvtui import door
from cvtui.engine.data.filling import close, missing_of, settle
from cvtui.engine.data.images import Images
from cvtui.engine.nn.freeze import train_mode
from cvtui.engine.nn.frozen_tail import modules_before
from cvtui.engine.nn.model import Net
from cvtui.engine.observe.clock import Clock, EpochSums
from cvtui.engine.observe.data_waits import BatchWaits
from cvtui.engine.observe.divergence import Diverged
from cvtui.engine.observe.first_steps import Probe
from cvtui.engine.observe.layer_watch import LayerWatch
from cvtui.engine.observe.live_doctor import DataScan
from cvtui.engine.observe.machine import MachineMeter
from cvtui.engine.observe.recorder import StepRecorder
from cvtui.engine.observe.watch_budget import budget_for
from cvtui.engine.runtime.idle_cores import IdleCores
from cvtui.engine.runtime.stop_asked import heard
from cvtui.engine.runtime.thread_tuner import MACS_FOR_ALL, ThreadTuner, candidates
from cvtui.engine.train.checkpoint_files import CheckpointFiles, Names
from cvtui.engine.train.clip import Clip
from cvtui.engine.train.control import Control, Signals, StopRequested
from cvtui.engine.train.evaluate import ValidationResult, evaluate
from cvtui.engine.train.feature_cache import KEPT, FeatureStepper, NotKept, is_asked, keep_features, told
from cvtui.engine.train.graph import GraphStepper, stepper_of
from cvtui.engine.train.nonfinite_guard import NonfiniteGuard, nonfinite_rule
from cvtui.engine.train.nonfinite_trace import finding
from cvtui.engine.train.snapshots import Snapshots
from cvtui.engine.train.state import TrainingState, recipe_facts
from cvtui.engine.train.step import Stepper
from cvtui.recipe.ending import EARLY, MAX_TIME, is_stale, seconds_of
from cvtui.runlog.commands import CommandReader
from cvtui.runlog.events import CommandApplied, EpochDone, Log
from cvtui.runlog.folder import RunFolder
from cvtui.runlog.nonfinite import words_of
from cvtui.runlog.worker_process import usable_cores
from cvtui.runlog.writer import EventWriter
from cvtui.text import percent


class Trainer:
    """Trainer of one run: moves its state, records, evaluates, saves, and applies commands."""

    leads = True
    """It writes the run folder."""
    alone = True
    """A forward pass in training mode needs no other process."""

    def __init__(self, training: TrainingState, folder: RunFolder, writer: EventWriter, signals: Signals) -> None:
        self.training = training
        self.folder = folder
        if isinstance(training.model, Net):
            training.model.write_over()
        budget = budget_for(training.model)
        named = isinstance(training.model, Net)  # each of its activations is a module
        self.watch = LayerWatch(
            training.model, training.optimizer, self._watch_every(), budget, functions=not named, plainly=True
        )
        rule = nonfinite_rule(training.checked.on_nan)
        self.recorder = StepRecorder(writer, training, self.watch, patience=rule.patience)
        self.probe: Probe | None = None
        self.scan: DataScan | None = None
        if not training.step:
            self.probe, self.scan = self._facts()
        self.gone = missing_of(training.data)
        self.recorder.sources += self.gone
        self.waits = BatchWaits(lambda: training.clock.seconds())
        meter = MachineMeter(
            folder.path, training.device, lambda: training.step, lambda: training.clock.seconds(), self.waits
        )
        self.recorder.sources.append(meter)
        self.snapshots = Snapshots(training, folder, self.recorder, budget)
        self.guard = NonfiniteGuard(training.model, training.optimizer, self.recorder.norm) if rule.guarded else None
        self.thread_tuner = self._thread_tuner()
        self.clip = Clip(training.optimizer, self.recorder.norm, training.recipe.clip) if training.recipe.clip else None
        if self.guard is not None:
            training.before_update.append(self.guard.expect)
        if self.clip is not None:
            training.before_update.append(self.clip.arm)
        self.stepper = self._stepper()
        self.ending = ""
        """Why the run ended before its last epoch, where its recipe asks for that."""
        limit = training.recipe.max_time
        self._deadline = training.clock.seconds() + seconds_of(limit) if limit else math.inf
        self.ends_on_nan = training.checked.on_nan.name == "stop"
        self._logged_nonfinite = False
        self.checkpoint_files = self._checkpoint_files()
        self._begun = training.step
        self.control = self._control(signals)

    def _watch_every(self) -> int:
        return self.training.recipe.watch_every

    def _thread_tuner(self) -> ThreadTuner | None:
        return thread_tuner_of(self.training)

    def _stepper(self) -> Stepper:
        return stepper_of(self.training, self.recorder)

    def _checkpoint_files(self) -> CheckpointFiles:
        return CheckpointFiles(self.training, self.folder, self.recorder)

    def _command_reader(self) -> CommandReader:
        # A resumed run does not obey the commands of its first life once more.
        return CommandReader(self.folder.commands, offset=None if self.training.resumed else 0)

    def _control(self, signals: Signals) -> Control:
        return Control(self, self.recorder, self.watch, self._command_reader(), signals)

    def _facts(self) -> tuple[Probe, DataScan] | tuple[None, None]:
        """Start what gathers facts for the doctor in a run that begins."""
        t = self.training
        probe, scan = Probe(t.model, t.optimizer), DataScan(t.data, len(t.checked.data.classes))
        self.recorder.writer.write(recipe_facts(t))
        self.recorder.add_sources(probe, scan)
        return probe, scan

    def run(self) -> None:
        """Train to the last epoch. Raises StopRequested or Diverged when it ends before."""
        train_mode(self.training.model)
        self.keep_features()
        with self.stepper.stream():
            self._run()

    def _run(self) -> None:
        t = self.training
        if t.resumed:
            self.checkpoint_files.catch_up()
        while t.epoch < t.recipe.epochs and not self._stops_early():
            self.train_epoch()
            self.between_batches()
            self.settle_data()
            evaluation = self.evaluate()
            t.epoch, t.batch_index = t.epoch + 1, 0
            self.record_epoch(evaluation)
        if self.leads:
            self.snapshots.finish()
        self.checkpoint_files.finish()
        self.checkpoint_files.thin()

    def evaluate(self) -> ValidationResult:
        """Evaluate on the validation images."""
        return evaluate(self.training, self.between_batches, self.snapshots.plan(self.training.epoch + 1))

    def keep_features(self) -> None:
        """Compute the outputs of frozen layers once, where that gives what every epoch would compute."""
        t = self.training
        if not is_asked(t) or t.keeps_features is False:
            return
        kept = t.keeps_features
        level: Literal["info", "warning"] = "info"
        try:
            self.settle_data()
            cache = keep_features(t, t.validation_batch, self.between_batches)
            t.features, t.keeps_features = cache, True
            replayed = isinstance(self.stepper, GraphStepper)
            self.stepper = FeatureStepper(t, self.recorder, cache)
            self.watch.explain(dict.fromkeys(modules_before(t.model, cache.tail), KEPT))
            text = told(cache) + ("; steps on them are not captured as a CUDA graph" if replayed else "")
        except NotKept as why:
            text, t.keeps_features = f"frozen layers are computed in every epoch: {why}", False
            if kept:
                text, level = f"{text}. Before, their outputs were kept: the last bits may differ", "warning"
        self.recorder.write(Log(time=time.time(), text=text, level=level, step=t.step))
        self.watch.resume_step()

    def settle_data(self) -> None:
        """Before a validation: wait for the images of a large set, and log what was found in them."""
        t = self.training
        settled = settle(t.data, self.between_batches)
        if settled is t.data:
            return
        for text in settled.notes[len(t.data.notes) :]:
            self.recorder.write(Log(time=time.time(), text=text, level="warning", step=t.step))
        t.data = settled
        new = [gone for gone in missing_of(settled) if gone not in self.gone]
        self.gone += new
        self.recorder.sources += new
        if self.scan is not None:  # a part of them was looked at before
            self.scan = DataScan(settled, len(t.checked.data.classes))
            self.recorder.sources.append(self.scan)

    def _stops_early(self) -> bool:
        """Return True, and note why, where the validation accuracy has not become better for `patience` epochs."""
        t = self.training
        if t.best is None or not is_stale(t.recipe.patience, t.epoch, t.best_epoch):
            return False
        waited = f"{t.epoch - t.best_epoch} epoch{'s' if t.epoch - t.best_epoch > 1 else ''}"
        best = f"best {percent(t.best, 2)} in epoch {t.best_epoch}"
        self.ending = f"{EARLY}: no better validation accuracy for {waited} ({best})"
        return True

    def between_batches(self) -> None:
        """Apply commands. Raises StopRequested where one asks for it, or where the time of the run is up."""
        self.control.apply_pending()
        if self.training.clock.seconds() >= self._deadline:
            raise StopRequested(self.late)

    def is_late(self) -> bool:
        """Return True if the run has had the time that its recipe gives it."""
        return self.training.clock.seconds() >= self._deadline

    @property
    def late(self) -> str:
        """Reason of the end of a run whose time is up."""
        return f"{MAX_TIME} ({self.training.recipe.max_time})"

    def close(self) -> None:
        """Remove all hooks from model and optimizer."""
        self.training.before_update.clear()
        close(self.training.data)
        if self.guard is not None:
            self.guard.close()
        if self.clip is not None:
            self.clip.close()
        self.recorder.close()
        late = [self.scan.close() if self.scan else None, self.probe.remaining() if self.probe else None]
        for record in filter(None, [*late, *(gone.take() for gone in self.gone)]):
            self.recorder.writer.write(record)

    def train_epoch(self) -> None:
        """Train one epoch."""
        t = self.training
        self.thaw()
        begun, guard, thread_tuner = t.clock.seconds(), self.guard, self.thread_tuner
        if thread_tuner is not None:
            thread_tuner.begin()
        for batch in self.waits.over(self._heard(self.stepper.batches())):
            self.between_batches()
            self.stepper.step(batch)
            self.flush_when_due()
            if self.recorder.streak.total and not self._logged_nonfinite and guard is not None:
                self.log_nonfinite(self.recorder.streak.earliest)
            if thread_tuner is not None and (message := thread_tuner.step()):
                t.threads = thread_tuner.threads
                self.recorder.write(Log(time=time.time(), text=message, step=t.step, threads=t.threads))
            if self.checkpoint_files.due():
                self.checkpoint_files.save([("last", "last.pt")])
        self.recorder.flush()
        t.sums.seconds += t.clock.seconds() - begun

    def _heard(self, batches: Iterator[Any]) -> Iterator[Any]:
        """Have commands and signals applied also while a batch is waited for: a slow disk may take minutes."""
        resident = isinstance(self.training.data.train, Images)
        return batches if resident else heard(batches, self.between_batches)

    def flush_when_due(self) -> None:
        """Write the steps so far, two to ten times a second. Raises Diverged."""
        self.recorder.flush_when_due()

    def thaw(self) -> None:
        """Train what was frozen until this epoch, with a line in the log."""
        if message := self.training.thaw():
            train_mode(self.training.model)
            self.stepper.restart()
            self.watch.explain({})
            self.recorder.write(Log(time=time.time(), text=message, step=self.training.step))

    def log_nonfinite(self, step: int) -> None:
        """Log the finding about the first value that is not finite, once a run."""
        if self._logged_nonfinite:
            return
        self._logged_nonfinite = True
        if self.recorder.streak.total:
            step = self.recorder.streak.earliest
        last = self.folder.checkpoints / "last.pt"
        kept = f"{self.folder.checkpoints.name}/last.pt" if door.is_file(last) else ""
        self.recorder.writer.write(finding(self.training, step, kept, self._begun))

    def record_epoch(self, evaluation: ValidationResult) -> None:
        """Log the epoch and save the model. Diverged when the validation loss is not finite."""
        t = self.training
        sums, t.sums = t.sums, EpochSums()
        best = t.best is None or evaluation.accuracy > t.best
        finite = math.isfinite(evaluation.loss)
        if best and finite:
            t.best, t.best_epoch = evaluation.accuracy, t.epoch
        self.recorder.write(
            EpochDone(
                epoch=t.epoch,
                step=t.step,
                time=time.time(),
                train_loss=sums.loss / sums.images if sums.images else None,
                train_accuracy=sums.right / sums.images if sums.images else None,
                val_loss=evaluation.loss if finite else None,
                val_accuracy=evaluation.accuracy,
                seconds=round(t.clock.seconds(), 4),
                images_per_second=round(sums.images / max(sums.seconds, 1e-9), 1),
                confusion=evaluation.confusion,
                best=best and finite,
                not_finite=words_of({"val_loss": evaluation.loss}) | ({} if sums.images else {"train_loss": "nan"}),
            )
        )
        if evaluation.words:
            self.recorder.write(Log(time=time.time(), text=evaluation.words, step=t.step))
        if not finite and self.guard is not None:
            if self.ends_on_nan:
                raise Diverged(t.step, evaluation.loss, "the validation loss")
            self.recorder.write(Log(time=time.time(), level="warning", text="the validation loss is not finite"))
        self.lower_rate(evaluation.loss)
        self.look_at_both_modes()
        if self.snapshots.due():
            self.snapshots.save()
        self.checkpoint_files.save_epoch(evaluation.accuracy if finite else None, best and finite)

    def look_at_both_modes(self) -> None:
        """Record the first batch's loss in training and in evaluation mode."""
        if self.probe is not None and self.alone and (facts := self.probe.mode_losses()) is not None:
            self.recorder.write(facts)

    def lower_rate(self, loss: float) -> None:
        """Let a plateau schedule see the validation loss; a lower rate is logged as a command is."""
        t = self.training
        before = t.schedule.lr_at(t.step)
        t.schedule = t.plateau.after_epoch(loss, t.schedule, t.step)
        after = t.schedule.lr_at(t.step)
        if after != before:
            message = f"plateau: rate {before:.3g} → {after:.3g}"
            self.recorder.write(
                CommandApplied(step=t.step, time=time.time(), command="set_lr", value=after, words=message)
            )

    # ------------------------------------------------------------------ commands (control.ControlledRun)

    @property
    def step(self) -> int:
        return self.training.step

    @property
    def clock(self) -> Clock:
        return self.training.clock

    def set_lr(self, value: float) -> float:
        """Set the learning rate from here on; return the one before."""
        t = self.training
        before = t.schedule.lr_at(t.step)
        t.schedule = t.schedule.moved_to(t.step, value)
        return before

    def set_group_lr(self, name: str, value: float) -> str:
        """Refuse the rate of one group: those of a recipe follow from its fields."""
        return f"rate of {name} not set to {value:.3g}: a recipe's parts have shares of one rate"

    def save(self) -> str:
        """Write a checkpoint; return the message for the log."""
        return self.save_now("asked")

    def look(self, number: int) -> str:
        """Write the feature maps of a validation image; return the message for the log."""
        return self.snapshots.look(number)

    def save_now(self, reason: Literal["asked", "stop"]) -> str:
        """Save a checkpoint now: `step-N.pt` when asked, `last.pt` before a stop; return the message."""
        step = self.training.step
        names: Names = [("stop", "last.pt")]
        if reason == "asked":  # last.pt is always the newest
            names = [("last", "last.pt"), ("asked", f"step-{step:06d}.pt")]
        why = self.checkpoint_files.save(names)
        return f"not saved: {why}" if why else f"saved at step {step:,}"


def thread_tuner_of(training: TrainingState) -> ThreadTuner | None:
    """Make the thread tuner of a training on the CPU.

    None where the recipe says the number of threads, or there is nothing to choose.
    """
    if training.recipe.threads or training.device.type != "cpu":
        return None
    macs = training.checked.table.macs * training.recipe.batch_size
    cores = usable_cores()
    allowed = candidates(cores, macs)
    if len({*allowed, training.threads}) < 2:
        return None
    # The training's clock stands still in a pause.
    return ThreadTuner(
        allowed,
        training.threads,
        clock=training.clock.seconds,
        most_first=macs >= MACS_FOR_ALL,
        cores=cores,
        free=IdleCores(),
    )
