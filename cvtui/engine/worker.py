"""One run from its folder's recipe to its record `end`, in the process that calls it."""

from __future__ import annotations

import contextlib
import sys
import time
import traceback
from pathlib import Path
from typing import Any, Literal, NamedTuple

import msgspec
import torch

from cvtui import door
from cvtui.engine.data.images import OnProgress
from cvtui.engine.data.missing_files import ImagesGone
from cvtui.engine.observe.clock import Clock
from cvtui.engine.observe.layer_watch import watched_layers
from cvtui.engine.observe.live_doctor import AttendedWriter
from cvtui.engine.observe.recorder import Diverged
from cvtui.engine.runtime.device import arithmetic, describe
from cvtui.engine.runtime.memory import is_out_of_memory, smaller_batch
from cvtui.engine.runtime.versions import libraries
from cvtui.engine.train import checkpoint
from cvtui.engine.train.control import Signals, StopAsked
from cvtui.engine.train.determinism import told_of
from cvtui.engine.train.forecast import predict
from cvtui.engine.train.fork import begin_as_fork
from cvtui.engine.train.lottery import prepare_run
from cvtui.engine.train.resume import new_rate, newest_checkpoint, restore
from cvtui.engine.train.state import Training
from cvtui.engine.train.trainer import Loop
from cvtui.errors import RequestError
from cvtui.recipe.memory_check import gib, memory_need
from cvtui.recipe.toml import dumps, load
from cvtui.recipe.validation import check
from cvtui.runlog import disk_note as note
from cvtui.runlog.events import CommandApplied, Layer, Log, RunEnded, RunStarted
from cvtui.runlog.folder import RunFolder
from cvtui.runlog.origin import data_paths, recipe_of
from cvtui.runlog.writer import EventWriter


class Outcome(NamedTuple):
    """How a run ended, and the exit code that says so."""

    status: Literal["finished", "stopped", "diverged", "failed"]
    reason: str
    code: int
    step: int = 0
    missing: str = ""
    """What was to be kept and is not on the disk, in words."""


def train_folder(path: Path, signals: Signals, *, resume: bool = False, rate: str = "") -> int:
    """Trains what path/recipe.toml asks and writes the run folder; with `resume`, from its newest checkpoint on (at
    another `rate`, such as 0.001 or /10, where one is given).

    The exit code: 0 finished or stopped, 1 failed, diverged, or done with weights or log
    that the disk refused, 2 a wrong request, 128 + n ended by signal n.
    """
    try:
        folder = RunFolder.open(path)
        with folder.lock():
            if not resume and (told := door.state(folder.events)) is not None and told.st_size:
                raise RequestError(
                    f"{str(path)!r} has been trained already",
                    hint="`cvtui resume` goes on; a new run needs a new folder",
                )
            _own_folders(folder)
            for place in (folder.path, folder.checkpoints):
                checkpoint.clear_parts(place)
            with AttendedWriter(folder) as writer:
                outcome = _work(folder, writer, signals, resume, rate)
                writer.write(_ended(outcome))
            return _last_word(folder, outcome, writer.trouble)
    except RequestError as error:
        _tell(error)
        return 2


def _ended(outcome: Outcome) -> RunEnded:
    reason = "; ".join(filter(None, [outcome.reason, outcome.missing]))
    return RunEnded(time=time.time(), step=outcome.step, status=outcome.status, reason=reason, missing=outcome.missing)


def _last_word(folder: RunFolder, outcome: Outcome, trouble: str) -> int:
    """The exit code: a run whose weights or log are not on the disk must not end as if all were well. It is said on
    stderr, and where the log does not end (`trouble` is the disk's word) in worker.note too."""
    lost = f"its log could not be written to its end: {trouble}" if trouble else ""
    if not lost and not outcome.missing:
        return outcome.code
    words = "; ".join(filter(None, [f"{outcome.status} at step {outcome.step:,}, but {lost or outcome.missing}",
                                    outcome.missing if lost else ""]))  # fmt: skip
    if lost:
        note.write(folder.note, words)
    print(f"cvtui: {folder.name}: {words}", file=sys.stderr, flush=True)
    return outcome.code or 1


def _own_folders(folder: RunFolder) -> None:
    """RequestError where checkpoints/ or pictures/ is a link: nothing is written through one."""
    for part in (folder.checkpoints, folder.pictures):
        if part.is_symlink():
            raise RequestError(
                f"{str(part)!r} is a link, which is not followed", hint="the run folder itself may be a link"
            )


def _work(folder: RunFolder, writer: EventWriter, signals: Signals, resume: bool, rate: str) -> Outcome:
    training: Training | None = None
    try:
        recipe = recipe_of(folder, "resumed") if resume else load(folder.recipe)
        training, ticket = prepare_run(check(recipe), folder, _teller(writer))
        if resume:
            _resume(training, folder, writer, rate)
        elif not _begin_as_fork(training, folder, writer):
            writer.write(started(training))
            training.clock = Clock()
        for note in training.data.notes:
            writer.write(Log(time=time.time(), text=note, level="warning", step=training.step))
        if training.checked.joins:
            size = training.recipe.batch_size + 1
            text = f"the last image of an epoch joins the batch before it ({size:,} images): a batch norm needs two"
            writer.write(Log(time=time.time(), text=text, step=training.step))
        if not resume and (words := told_of(training)):
            writer.write(Log(time=time.time(), text=words, level="warning", step=training.step))
        if ticket:
            writer.write(Log(time=time.time(), text=ticket, step=training.step))
        return _train(Loop(training, folder, writer, signals))
    except RequestError as error:
        _tell(error)
        return Outcome("failed", _in_words(error), 2, training.step if training else 0)
    except ImagesGone as gone:
        return Outcome("failed", str(gone), 1, training.step if training else 0)
    except Exception as error:
        _remember(folder)
        return Outcome("failed", in_one_line(error, training), 1, training.step if training else 0)


def _teller(writer: EventWriter) -> OnProgress:
    """What takes its time before the first step is told in the log at once."""

    def tell(text: str) -> None:
        writer.write(Log(time=time.time(), text=text))
        writer.flush()

    return tell


def _resume(training: Training, folder: RunFolder, writer: EventWriter, rate: str) -> None:
    """Puts the training where the newest checkpoint was (at the start where there is none) and says so in the log."""
    prediction = predict(training)  # of the fresh weights: what was foretold stays what it was
    found = newest_checkpoint(folder)
    if found is None and _begin_as_fork(training, folder, writer):
        return
    if found is None:
        told = ["no checkpoint yet: it begins anew"]
    else:
        told = [*found.warnings, *restore(training, found.state, folder.path)]
    if training.epoch >= training.recipe.epochs:
        raise RequestError(
            f"the run has done {training.epoch} epochs, and its recipe asks for {training.recipe.epochs}",
            hint="there is nothing left to do; more epochs in recipe.toml give it more",
        )
    value, words = new_rate(training, rate) if rate else (None, "")
    training.resumed = True
    writer.write(started(training, prediction))
    if not found:
        training.clock = Clock()
    for text in told:
        writer.write(Log(time=time.time(), text=text, level="warning", step=training.step))
    writer.write(Log(time=time.time(), text=f"resumed at step {training.step:,}", step=training.step))
    if words:
        writer.write(CommandApplied(step=training.step, time=time.time(), command="set_lr", value=value, words=words))


def _begin_as_fork(training: Training, folder: RunFolder, writer: EventWriter) -> bool:
    """Puts a forked run where its parent was, and says so in the log. False for any other run."""
    found = begin_as_fork(training, folder)
    if found is None:
        return False
    parent, told = found
    record = started(training)
    writer.write(msgspec.structs.replace(record, step=training.step, parent=msgspec.to_builtins(parent)))
    where = f"forked from {parent.run}, {parent.checkpoint}, after epoch {parent.epoch} (step {parent.step:,})"
    for text in (where, *told):
        writer.write(Log(time=time.time(), text=text, step=training.step))
    return True


def _train(loop: Loop) -> Outcome:
    """Runs the loop to whatever end it comes to."""
    try:
        try:
            loop.run()
        except StopAsked as asked:
            loop.save_now("stop")
            _rescue(loop)
            return Outcome("stopped", str(asked), asked.code, loop.training.step, loop.keeper.words())
        _rescue(loop)
        return Outcome("finished", "", 0, loop.training.step, loop.keeper.words())
    except ImagesGone:
        loop.save_now("stop")  # when they are back it goes on right here
        raise
    except Diverged as found:
        loop.tell_bad(min(found.step, loop.training.step - 1))
        return Outcome("diverged", str(found), 1, found.step, loop.keeper.words())
    finally:
        loop.close()


def _rescue(loop: Loop) -> None:
    """The run folder was deleted while we trained: at the end it is made once more, for the weights and the log that
    waits in memory."""
    folder = loop.folder
    if folder.path.is_dir():
        return
    with contextlib.suppress(OSError):
        folder.path.mkdir(door.FOLDER_MODE, parents=True)
        door.write(folder.recipe, dumps(loop.training.recipe).encode())
        loop.save_now("stop")


def started(training: Training, prediction: dict[str, Any] | None = None) -> RunStarted:
    """The record `run`; the prediction is made of the weights as they are, where none is given."""
    recipe, table, facts = training.recipe, training.checked.table, training.checked.data
    watched = watched_layers(training.model) if recipe.watch_every else {}
    layers = [
        Layer(
            name=row.name,
            expression=row.expression,
            output=list(row.output),
            parameters=row.parameters,
            macs=row.macs,
            watched=row.name in watched,
        )
        for row in table.rows
    ]
    return RunStarted(
        time=time.time(),
        recipe=msgspec.to_builtins(recipe),
        layers=layers,
        parameters=table.parameters,
        steps_per_epoch=training.checked.steps_per_epoch,
        total_steps=training.schedule.total_steps,
        device=describe(training.device),
        arithmetic=arithmetic(training.device, recipe.precision, recipe.deterministic),
        threads=training.threads,
        libraries=libraries(),
        data={
            "classes": list(facts.classes),
            "train": training.data.train.size,
            "validation": training.data.validation.size,
            "input": list(facts.size),
            "mean": [round(value, 4) for value in training.stats.mean],
            "std": [round(value, 4) for value in training.stats.std],
            **data_paths(recipe),
        },
        prediction=predict(training) if prediction is None else prediction,
        step=training.step if training.resumed else None,
        schedule=training.schedule.told(),
        kind="engine",
    )


def _in_words(error: RequestError) -> str:
    return f"{error.message} ({error.hint})" if error.hint else error.message


def _tell(error: RequestError) -> None:
    print(f"cvtui: {_in_words(error)}", file=sys.stderr, flush=True)


def _remember(folder: RunFolder) -> None:
    """The traceback of what is being handled goes to worker.log, and nowhere else."""
    try:
        with door.opened(folder.log, "ab") as file:
            file.write(traceback.format_exc().encode("utf-8", "replace"))
    except OSError:
        traceback.print_exc()


def _peak(training: Training) -> int:
    """The most memory held so far, in bytes: of the GPU's, or of the process."""
    if training.device.type == "cuda":
        return torch.cuda.max_memory_allocated(training.device)
    import resource

    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


def in_one_line(error: Exception, training: Training | None) -> str:
    """What went wrong, for the record `end`: of a lack of memory, batch size, peak, what the training itself needs, and
    the way out. (Watching never ends a run for want of memory, and is not counted.)"""
    if is_out_of_memory(error):
        if training is None:
            return "out of memory while the net was built: it has too many weights for this machine"
        size = training.recipe.batch_size
        peak, need = _peak(training), memory_need(training.checked)
        took = f"after {peak / 2**30:.1f} GiB, at batch size {size}"
        needs = f"weights, gradients, optimiser and activations need about {gib(need.total)}"
        smaller = smaller_batch(training.checked, peak)
        way = f"; try batch size {smaller}" if smaller else ""
        return f"out of memory on {training.device} {took} ({needs}){way}, or a smaller net"
    text = " ".join(str(error).split())
    text = text if len(text) <= 300 else text[:299] + "…"
    return f"{type(error).__name__}: {text}" if text else type(error).__name__
