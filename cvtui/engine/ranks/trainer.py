"""Trainer of one rank. All ranks go the same way at the same steps; rank 0 alone writes, saves and looks at layers."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

import torch
from torch import nn

from cvtui import door
from cvtui.engine.observe.first_steps import Probe
from cvtui.engine.observe.live_doctor import DataScan
from cvtui.engine.observe.rank_checks import FirstBatches
from cvtui.engine.observe.rank_times import RankTimes, rank_started
from cvtui.engine.observe.recorder import StepRecorder
from cvtui.engine.ranks.evaluate import evaluate_together
from cvtui.engine.ranks.link import Decided, Link
from cvtui.engine.ranks.passes import RankPasses
from cvtui.engine.ranks.share import RankBatch, least_images, rank_batches
from cvtui.engine.runtime.seeds import DROPOUT, stream_seed
from cvtui.engine.runtime.thread_tuner import ThreadTuner
from cvtui.engine.train.checkpoint_files import CheckpointFiles, Names
from cvtui.engine.train.control import Control, Signals, StopRequested
from cvtui.engine.train.evaluate import ValidationResult
from cvtui.engine.train.state import TrainingState
from cvtui.engine.train.step import Stepper, training_step
from cvtui.engine.train.trainer import Trainer
from cvtui.runlog.commands import CommandReader
from cvtui.runlog.events import Command, Log, Record
from cvtui.runlog.folder import RunFolder
from cvtui.runlog.ranks import rank_file
from cvtui.runlog.writer import EventWriter

PAUSED_SECONDS = 0.05
"""Between two exchanges of a paused run."""
COMMANDS, PAUSED = "commands", "paused"
"""What is remembered over a restart: how far commands.jsonl is obeyed, and whether the run is paused."""
ODD = 0x9E3779B1
"""Step from one step's random numbers to the next's, in 32 bits."""


class SilentWriter(EventWriter):
    """Event writer of the ranks above 0: the log is rank 0's."""

    def write(self, record: Record) -> None:
        """Leave it out."""

    def flush(self) -> None:
        """Nothing waits."""

    def close(self) -> None:
        """Nothing is open."""


class AgreedFiles(CheckpointFiles):
    """Checkpoints of rank 0, within an epoch at steps that all ranks agree on."""

    waits = False

    def due(self) -> bool:
        """Return False: it is decided at exchanges, by `is_due`."""
        return False

    def is_due(self) -> bool:
        """Return True when a checkpoint within the epoch is due."""
        return super().due()


class NoFiles(AgreedFiles):
    """Checkpoints of the ranks above 0: all are rank 0's."""

    def is_due(self) -> bool:
        return False

    def save(self, names: Names, accuracy: float | None = None) -> str:  # noqa: ARG002 - as the real one
        self.training.accuracy = accuracy
        return ""

    def catch_up(self) -> None:
        """Write nothing."""

    def thin(self) -> None:
        """Remove nothing."""

    def missing(self) -> str:
        return ""


class RankStepper(Stepper):
    """Steps on this rank's share of each batch."""

    def __init__(
        self, training: TrainingState, recorder: StepRecorder, link: Link, times: RankTimes, path: Path
    ) -> None:
        super().__init__(training, recorder)
        self.link = link
        self.times = times
        self.passes = RankPasses(training, link)
        training.shared_passes = self.passes
        recorder.merge = self.passes.merge
        self._least = least_images(training.model)
        self._random = stream_seed(training.recipe.seed, DROPOUT, 1 + link.rank)
        self._draws = any(isinstance(one, nn.modules.dropout._DropoutNd) for one in training.model.modules())
        self._attach()
        self.first = FirstBatches(path, self.passes.ddp, training.model, training.step, "images")

    def batches(self) -> Iterator[Any]:
        t = self.training
        return rank_batches(t, t.epoch + 1, t.batch_index, self.link.rank, self.link.world, self._least)

    def restart(self) -> None:
        self.passes.renew()
        self._attach()

    def _attach(self) -> None:
        t = self.training
        self.times.attach(self.passes.ddp, t.model, [t.optimizer])

    def _step(self, batch: RankBatch, rate: float) -> None:  # type: ignore[override]
        if self._draws:  # by rank and step, so that a resumed run draws the same
            torch.manual_seed((self._random + ODD * self.training.step) & 0xFFFFFFFF)
        loss, logits = training_step(self.training, batch)  # type: ignore[arg-type]
        self.recorder.step(rate, loss, logits=logits, labels=self.passes.counted)
        self.times.step(batch.own)
        self.first.step(loss, self.passes.counted)


class RankControl(Control):
    """Apply what all ranks have agreed on, at the exchange's step."""

    def __init__(self, trainer: RankTrainer, reader: CommandReader, link: Link) -> None:
        super().__init__(trainer, trainer.recorder, trainer.watch, reader, link.agreed)
        self.link = link
        self._trainer = trainer
        self._again = [Command(command="pause", time=time.time())] if link.recall(PAUSED) else []
        """What ranks that were restarted obey once more: theirs was a paused run."""

    def pending(self) -> list[Command]:
        again, self._again = self._again, []
        return [*again, *super().pending()]

    def apply_pending(self) -> None:
        """Apply what was decided since the last call. Raises StopRequested."""
        self._check_signals()
        self._take()
        if self.paused:
            self._wait()

    def _take(self) -> None:
        decided, self.link.decided = self.link.decided, []
        for one in decided:
            for command in one.commands:
                self._apply_one(command)
            if one.commands and self.link.rank == 0:
                self.link.remember(PAUSED, "yes" * self.paused)
                self.link.remember(COMMANDS, str(self.reader.offset))
            # A restart goes on from the newest checkpoint: a new rate must be in it.
            if one.save or any(command.command == "set_lr" for command in one.commands):
                self._trainer.checkpoint_files.save([("last", "last.pt")])
            if one.stop:
                raise StopRequested(one.stop)

    def _wait(self) -> None:
        begun = time.perf_counter()
        try:
            while self.paused:
                time.sleep(PAUSED_SECONDS)
                self.link.exchange(self.run.step)
                self._check_signals()
                self._take()
        finally:
            self._exclude(time.perf_counter() - begun)


class RankTrainer(Trainer):
    """Trainer of one rank of several."""

    def __init__(
        self, training: TrainingState, folder: RunFolder, writer: EventWriter, signals: Signals, link: Link
    ) -> None:
        self.link = link
        self.leads = link.rank == 0
        if self.leads:
            door.make_folder(folder.ranks)
            link.tell(f"ranks of {folder.name}")
        else:
            link.wait_for(f"ranks of {folder.name}")
        link.next_step = training.step
        me = link.me
        started = rank_started(me.rank, me.world_size, training.device, training.step, me.restart)
        self.times = RankTimes(rank_file(folder, me.rank), started)
        self.alone = not (training.recipe.sync_bn == "on" and training.device.type == "cuda")
        if not self.alone:
            training.model = nn.SyncBatchNorm.convert_sync_batchnorm(training.model)  # type: ignore[no-untyped-call]
        super().__init__(training, folder, writer, signals)
        if self.leads:
            link.decide = self._decide

    def _watch_every(self) -> int:
        return self.training.recipe.watch_every if self.leads else 0

    def _thread_tuner(self) -> ThreadTuner | None:
        return None

    def _stepper(self) -> Stepper:
        path = rank_file(self.folder, self.link.rank)
        self.rank_stepper = RankStepper(self.training, self.recorder, self.link, self.times, path)
        return self.rank_stepper

    def _checkpoint_files(self) -> CheckpointFiles:
        self.files = (AgreedFiles if self.leads else NoFiles)(self.training, self.folder, self.recorder)
        return self.files

    def _control(self, signals: Signals) -> Control:  # noqa: ARG002 - those of all ranks, through the link
        return RankControl(self, self._command_reader(), self.link)

    def _command_reader(self) -> CommandReader:
        """Return a reader that goes on, after a restart, where it had come to: what was asked meanwhile is obeyed."""
        offset = self.link.recall(COMMANDS) if self.leads else ""
        reader = CommandReader(self.folder.commands, int(offset)) if offset else super()._command_reader()
        if self.leads:
            self.link.remember(COMMANDS, str(reader.offset))
        return reader

    def _facts(self) -> tuple[Probe, DataScan] | tuple[None, None]:
        return super()._facts() if self.leads else (None, None)

    def _decide(self) -> Decided:
        """Decide for all ranks (rank 0)."""
        return Decided(
            commands=self.control.pending(),
            save=self.files.is_due(),
            stop=self.late if self.is_late() else "",
        )

    def between_batches(self) -> None:
        """Exchange with the other ranks where it is time, and apply what is decided. Raises StopRequested, Diverged."""
        begun, waited = time.perf_counter(), self.link.waited
        if self.link.due(self.training.step):
            before = self.link.exchanges
            self.recorder.flush()
            if self.link.exchanges == before:
                self.link.exchange(self.training.step)
        if self.link.decided or self.link.agreed.number:
            self.control.apply_pending()
        waited = self.link.waited - waited
        self.times.waited(waited)
        self.times.leave_out(time.perf_counter() - begun - waited)

    def _heard(self, batches: Iterator[Any]) -> Iterator[Any]:
        """Leave commands to the exchanges: the other ranks are at another step, or wait for this one's gradients."""
        return batches

    def flush_when_due(self) -> None:
        """Wait for the next exchange."""

    def evaluate(self) -> ValidationResult:
        """Evaluate, each rank a part of the validation images."""
        self.times.epoch()
        wanted = self.leads and self.snapshots.plan(self.training.epoch + 1) is not None
        pictures = bool(self.link.total(torch.tensor([float(wanted)], device=self.link.device))[0])
        on_answers = self.snapshots.take_answers if self.leads else None
        return evaluate_together(self.training, self.link, self._between_validation, on_answers, pictures)

    def _between_validation(self) -> None:
        self.link.exchange(self.training.step)
        if self.link.decided or self.link.agreed.number:
            self.control.apply_pending()

    def log_nonfinite(self, step: int) -> None:
        if self.leads and self.alone:
            super().log_nonfinite(step)

    def look(self, number: int) -> str:
        return super().look(number) if self.leads else ""

    def save_now(self, reason: Literal["asked", "stop"]) -> str:
        if not self.leads or self.recorder.pending:  # a stop that the others don't know of must not wait for them
            return ""
        return super().save_now(reason)

    def close(self) -> None:
        self.training.shared_passes = None
        super().close()
        self.rank_stepper.first.close()
        self.times.close()
        if self.times.trouble:
            text = f"rank {self.link.rank}: {self.times.trouble}"
            self.recorder.writer.write(Log(time=time.time(), text=text, level="warning", step=self.training.step))
            if not self.leads:  # the log is rank 0's
                print(f"cvtui: {text}", file=sys.stderr, flush=True)
