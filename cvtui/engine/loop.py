"""The training loop: sample a batch, forward, backward, update; after each epoch, look at the validation images."""

from __future__ import annotations

import math
import time
from typing import Literal

from cvtui.engine import checkpoint
from cvtui.engine.control import Control, Signals
from cvtui.engine.data import batches
from cvtui.engine.evaluate import Evaluation, evaluate
from cvtui.engine.journal import Diverged, Journal
from cvtui.engine.training import EpochSums, Training
from cvtui.engine.watch import Watch
from cvtui.runlog.commands import CommandReader
from cvtui.runlog.events import CheckpointSaved, EpochDone, Log
from cvtui.runlog.folder import RunFolder
from cvtui.runlog.writer import EventWriter

LARGEST_CONFUSION = 100
"""Classes up to which an epoch's record holds the confusion matrix."""


class Loop:
    def __init__(self, training: Training, folder: RunFolder, writer: EventWriter, signals: Signals) -> None:
        self.training = training
        self.folder = folder
        self.keep = checkpoint.KeepRule(training.recipe.keep)
        self.watch = Watch(training.model, training.optimizer, training.recipe.watch_every)
        self.journal = Journal(writer, training, self.watch)
        # A resumed run does not obey the commands of its first life once more.
        reader = CommandReader(folder, offset=None if training.resumed else 0)
        self.control = Control(training, self.journal, self.watch, reader, signals, lambda: self.save_now("asked"))

    def run(self) -> None:
        """Trains to the last epoch. Raises StopAsked or Diverged when it ends before."""
        t = self.training
        t.model.train()
        while t.epoch < t.recipe.epochs:
            self.train_epoch()
            self.control.obey()
            found = evaluate(t, between=self.control.obey)
            t.epoch, t.place = t.epoch + 1, 0
            self.record_epoch(found)

    def train_epoch(self) -> None:
        """Every training image once."""
        t = self.training
        model, preprocess, loss_of, optimizer = t.model, t.preprocess, t.loss, t.optimizer
        begun = t.clock.seconds()
        for pixels, labels in batches(t.data.train, t.recipe.batch_size, t.recipe.seed, t.epoch + 1, t.place):
            self.control.obey()
            rate = t.set_rate()
            with t.autocast():
                logits = model(preprocess(pixels))  # forward
                loss = loss_of(logits, labels)
            optimizer.zero_grad(set_to_none=True)
            loss.backward()  # type: ignore[no-untyped-call]  # backward
            optimizer.step()  # update
            t.step += 1
            t.place += 1
            self.journal.step(rate, loss, logits=logits, labels=labels)
            self.journal.flush_when_due()
        self.journal.flush()
        t.sums.seconds += t.clock.seconds() - begun

    def record_epoch(self, found: Evaluation) -> None:
        """Both curves into the log, the model into its files. Diverged when the validation loss is not finite."""
        t = self.training
        sums, t.sums = t.sums, EpochSums()
        best = t.best is None or found.accuracy > t.best
        finite = math.isfinite(found.loss)
        t.best = found.accuracy if best and finite else t.best
        small = len(found.confusion) <= LARGEST_CONFUSION
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
                confusion=found.confusion if small else [],
                best=best and finite,
            )
        )
        if not finite:
            raise Diverged(t.step, found.loss)
        names = self.keep.names(t.epoch, best)
        if names:
            self.save(names, found.accuracy)

    def save_now(self, reason: Literal["asked", "stop"]) -> None:
        """A checkpoint of this moment: `step-N.pt` when somebody asked, `last.pt` before a stop."""
        name = f"step-{self.training.step:06d}.pt" if reason == "asked" else "last.pt"
        self.save([(reason, name)], None)

    def save(self, names: list[tuple[checkpoint.Reason, str]], accuracy: float | None) -> None:
        """Writes the state once, under each (reason, file name). A disk that refuses is a word in the log, no end."""
        self.journal.flush()
        t = self.training
        folder = self.folder.checkpoints
        try:
            first = folder / names[0][1]
            if first.name == "last.pt" and first.exists():
                checkpoint.link(first, folder / "last-1.pt")  # where the new one turns out to be damaged
            checkpoint.save(t.state(), first)
            for reason, name in names:
                if folder / name != first:
                    checkpoint.link(first, folder / name)
                path = f"{folder.name}/{name}"
                self.journal.write(
                    CheckpointSaved(step=t.step, epoch=t.epoch, path=path, reason=reason, val_accuracy=accuracy)
                )
        except OSError as error:
            text = f"the checkpoint {names[0][1]} could not be written: {error.strerror or error}"
            self.journal.write(Log(time=time.time(), text=text, level="error", step=t.step))
