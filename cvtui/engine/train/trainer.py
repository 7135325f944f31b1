"""The training loop: sample a batch, forward, backward, update; after each epoch, look at the validation images."""

from __future__ import annotations

import math
import time
from typing import Literal

from cvtui import door
from cvtui.engine.observe.clock import EpochSums
from cvtui.engine.observe.first_steps import Probe
from cvtui.engine.observe.layer_watch import Watch
from cvtui.engine.observe.live_doctor import DataScan
from cvtui.engine.observe.recorder import Diverged, Journal
from cvtui.engine.runtime.idle_cores import FreeCores
from cvtui.engine.runtime.thread_tuner import MACS_FOR_ALL, Governor, candidates
from cvtui.engine.train.checkpoint_files import Keeper, Names
from cvtui.engine.train.clip import Clip
from cvtui.engine.train.control import Control, Signals, SteeredTraining
from cvtui.engine.train.evaluate import Evaluation, evaluate
from cvtui.engine.train.nonfinite_guard import Guard, rule_of
from cvtui.engine.train.nonfinite_trace import finding
from cvtui.engine.train.snapshots import Pictures
from cvtui.engine.train.state import Training
from cvtui.runlog.commands import CommandReader
from cvtui.runlog.events import CommandApplied, EpochDone, Facts, Log
from cvtui.runlog.folder import RunFolder
from cvtui.runlog.nonfinite import words_of
from cvtui.runlog.worker_process import usable_cores
from cvtui.runlog.writer import EventWriter
from cvtui.text import rounded


class Loop:
    def __init__(self, training: Training, folder: RunFolder, writer: EventWriter, signals: Signals) -> None:
        self.training = training
        self.folder = folder
        training.model.write_over()
        self.watch = Watch(training.model, training.optimizer, training.recipe.watch_every)
        rule = rule_of(training.checked.on_nan)
        self.journal = Journal(writer, training, self.watch, patience=rule.patience)
        self.probe: Probe | None = None
        self.scan: DataScan | None = None
        if not training.step:
            self.probe, self.scan = self._facts()
        self.gone = [part.gone for part in training.data[:2] if hasattr(part, "gone")]
        """Of images that come from files as they are needed: what can't be read any more."""
        self.journal.sources += self.gone
        self.pictures = Pictures(training, folder, self.journal)
        self.guard = Guard(training.model, training.optimizer, self.journal) if rule.guarded else None
        self.governor = governor_of(training)
        self.clip = Clip(training.optimizer, self.journal, training.recipe.clip) if training.recipe.clip else None
        self.ends_on_nan = training.checked.on_nan.name == "stop"
        self._told_bad = False
        self.keeper = Keeper(training, folder, self.journal)
        self._begun = training.step
        # A resumed run does not obey the commands of its first life once more.
        reader = CommandReader(folder.commands, offset=None if training.resumed else 0)
        steered = SteeredTraining(training, lambda: self.save_now("asked"), self.pictures.look)
        self.control = Control(steered, self.journal, self.watch, reader, signals)

    def _facts(self) -> tuple[Probe, DataScan]:
        """What gathers facts for the doctor in a run that begins."""
        t = self.training
        probe, scan = Probe(t.model, t.optimizer), DataScan(t.data, len(t.checked.data.classes))
        total = t.checked.total_steps
        places = sorted({round(total * share / 200) for share in range(201)} - {total})
        self.journal.writer.write(
            Facts(rates=[[step, rounded(t.schedule.lr_at(step), 9)] for step in places], loss=t.checked.loss.name)
        )
        self.journal.gather(probe, scan)
        return probe, scan

    def run(self) -> None:
        """Trains to the last epoch. Raises StopAsked or Diverged when it ends before."""
        t = self.training
        t.model.train()
        if t.resumed:
            self.keeper.catch_up()
        while t.epoch < t.recipe.epochs:
            self.train_epoch()
            self.control.obey()
            found = evaluate(t, between=self.control.obey)
            t.epoch, t.place = t.epoch + 1, 0
            self.record_epoch(found)
        self.keeper.thin()

    def close(self) -> None:
        """No hook stays on model and optimiser."""
        if self.guard is not None:
            self.guard.close()
        if self.clip is not None:
            self.clip.close()
        self.journal.close()
        late = [self.scan.close() if self.scan else None, self.probe.rest() if self.probe else None]
        for record in filter(None, [*late, *(gone.take() for gone in self.gone)]):
            self.journal.writer.write(record)

    def train_epoch(self) -> None:
        """Every training image once."""
        t = self.training
        model, preprocess, loss_of, optimizer = t.model, t.preprocess, t.loss, t.optimizer
        begun, guard, governor, augment = t.clock.seconds(), self.guard, self.governor, t.augment
        parameters = [parameter for group in optimizer.param_groups for parameter in group["params"]]
        if governor is not None:
            governor.begin()
        for pixels, labels in t.batches(t.epoch + 1, t.place):
            self.control.obey()
            rate = t.set_rate()
            with t.autocast():
                logits = model(preprocess(augment(pixels, t.step) if augment else pixels))  # forward
                loss = loss_of(logits, labels)
            for parameter in parameters:  # what zero_grad does, in 1 µs instead of 12 to 16
                parameter.grad = None
            loss.backward()  # type: ignore[no-untyped-call]  # backward
            if guard is not None:
                guard.expect(loss)
            if self.clip is not None:
                self.clip.arm()
            optimizer.step()  # update
            if t.ema is not None:
                t.ema.update(t.step)
            t.step += 1
            t.place += 1
            self.journal.step(rate, loss, logits=logits, labels=labels)
            self.journal.flush_when_due()
            if self.journal.streak.total and not self._told_bad and guard is not None:
                self.tell_bad(self.journal.streak.earliest)
            if governor is not None and (words := governor.step()):
                t.threads = governor.threads
                self.journal.write(Log(time=time.time(), text=words, step=t.step, threads=t.threads))
            if self.keeper.due():
                self.keeper.save([("last", "last.pt")])
        self.journal.flush()
        t.sums.seconds += t.clock.seconds() - begun

    def tell_bad(self, step: int) -> None:
        """Once a run: the layer, step and batch of the first value that is not finite, as a finding."""
        if self._told_bad:
            return
        self._told_bad = True
        if self.journal.streak.total:
            step = self.journal.streak.earliest
        last = self.folder.checkpoints / "last.pt"
        kept = f"{self.folder.checkpoints.name}/last.pt" if door.is_file(last) else ""
        self.journal.writer.write(finding(self.training, step, kept, self._begun))

    def record_epoch(self, found: Evaluation) -> None:
        """Both curves into the log, the model into its files. Diverged when the validation loss is not finite."""
        t = self.training
        sums, t.sums = t.sums, EpochSums()
        best = t.best is None or found.accuracy > t.best
        finite = math.isfinite(found.loss)
        if best and finite:
            t.best, t.best_epoch = found.accuracy, t.epoch
        self.journal.write(
            EpochDone(
                epoch=t.epoch,
                step=t.step,
                time=time.time(),
                train_loss=sums.loss / sums.images if sums.images else None,
                train_accuracy=sums.right / sums.images if sums.images else None,
                val_loss=found.loss if finite else None,
                val_accuracy=found.accuracy,
                seconds=round(t.clock.seconds(), 4),
                images_per_second=round(sums.images / max(sums.seconds, 1e-9), 1),
                confusion=found.confusion,
                best=best and finite,
                not_finite=words_of({"val_loss": found.loss}) | ({} if sums.images else {"train_loss": "nan"}),
            )
        )
        if not finite and self.guard is not None:
            if self.ends_on_nan:
                raise Diverged(t.step, found.loss, "the validation loss")
            self.journal.write(Log(time=time.time(), level="warning", text="the validation loss is not finite"))
        self.lower_rate(found.loss)
        if self.probe is not None and (facts := self.probe.mode_losses()) is not None:
            self.journal.write(facts)
        if self.pictures.due():
            self.pictures.save()
        self.keeper.save_epoch(found.accuracy if finite else None, best and finite)

    def lower_rate(self, loss: float) -> None:
        """Where the schedule waits for a plateau of the validation loss: is this one? Told as a command is."""
        t = self.training
        before = t.schedule.lr_at(t.step)
        t.schedule = t.plateau.after_epoch(loss, t.schedule, t.step)
        after = t.schedule.lr_at(t.step)
        if after != before:
            words = f"plateau: rate {before:.3g} → {after:.3g}"
            self.journal.write(
                CommandApplied(step=t.step, time=time.time(), command="set_lr", value=after, words=words)
            )

    def save_now(self, reason: Literal["asked", "stop"]) -> str:
        """A checkpoint of this moment: `step-N.pt` when somebody asked, `last.pt` before a stop. What came of it."""
        step = self.training.step
        names: Names = [("stop", "last.pt")]
        if reason == "asked":  # last.pt is always the newest
            names = [("last", "last.pt"), ("asked", f"step-{step:06d}.pt")]
        why = self.keeper.save(names)
        return f"not saved: {why}" if why else f"saved at step {step:,}"


def governor_of(training: Training) -> Governor | None:
    """The governor of a training on the CPU whose recipe leaves the number of threads open; None for all others."""
    if training.recipe.threads or training.device.type != "cpu":
        return None
    macs = training.checked.table.macs * training.recipe.batch_size
    cores = usable_cores()
    allowed = candidates(cores, macs)
    if len({*allowed, training.threads}) < 2:
        return None
    # The training's clock stands still in a pause.
    return Governor(
        allowed,
        training.threads,
        clock=training.clock.seconds,
        most_first=macs >= MACS_FOR_ALL,
        cores=cores,
        free=FreeCores(),
    )
