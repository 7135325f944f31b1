"""Train one run folder, from its recipe to its record `end`, in this process."""

from __future__ import annotations

import contextlib
import sys
import time
import traceback
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec
import torch

from cvtui import door
from cvtui.engine.data.images import OnProgress
from cvtui.engine.data.missing_files import ImagesGone
from cvtui.engine.nn.layer_rates import rate_groups
from cvtui.engine.observe.clock import Clock
from cvtui.engine.observe.divergence import Diverged
from cvtui.engine.observe.layer_watch import watched_layers
from cvtui.engine.runtime.device import arithmetic, describe
from cvtui.engine.runtime.fast_start import kill_children
from cvtui.engine.runtime.memory import is_out_of_memory, smaller_batch
from cvtui.engine.runtime.stop_asked import looked_for
from cvtui.engine.runtime.versions import libraries
from cvtui.engine.train import checkpoint
from cvtui.engine.train.auto_batch import settle_batch
from cvtui.engine.train.control import Signals, StopRequested
from cvtui.engine.train.determinism import determinism_warning
from cvtui.engine.train.forecast import forecast
from cvtui.engine.train.fork import begin_as_fork
from cvtui.engine.train.lottery import prepare_run
from cvtui.engine.train.resume import new_rate, newest_checkpoint, restore
from cvtui.engine.train.state import TrainingState
from cvtui.engine.train.team import RunResult, Team
from cvtui.engine.train.trainer import Trainer
from cvtui.errors import RequestError
from cvtui.recipe.memory_check import gib, memory_need
from cvtui.recipe.toml import dumps, load
from cvtui.recipe.validation import check
from cvtui.runlog import disk_note as note
from cvtui.runlog.events import CommandApplied, Layer, Log, RunEnded, RunStarted
from cvtui.runlog.folder import RunFolder
from cvtui.runlog.fork import START
from cvtui.runlog.origin import data_paths, first_run, recipe_of
from cvtui.runlog.worker_process import number_in
from cvtui.runlog.writer import EventWriter


def train_folder(
    path: Path, signals: Signals, *, resume: bool = False, rate: str = "", team: Team | None = None
) -> int:
    """Train what path/recipe.toml asks and write the run folder; return the exit code.

    resume: from its newest checkpoint on, at another `rate` (0.001, /10) where one is given. Exit codes: 0 finished or
    stopped, 1 failed, diverged, or done with weights or log that the disk refused, 2 a wrong request, 128 + n ended by
    signal n. Where the recipe asks for several processes this one starts them; `team` says that it is one of them.
    """
    try:
        folder = RunFolder.open(path)
        if team is None and number_in(folder, "nproc") > 1:
            from cvtui.engine.ranks.agent import run_ranks

            return run_ranks(path, load(folder.recipe), signals, resume=resume, rate=rate)
        team = team or Team()
        with team.lock(folder):
            if not team.leads:
                return team.exit_code(_prepare_and_train(folder, team.writer(folder), signals, resume, rate, team))
            if not resume and (status := door.state(folder.events)) is not None and status.st_size:
                raise RequestError(
                    f"{str(path)!r} has been trained already",
                    hint=f"{team.again}; a new run needs a new folder",
                )
            _check_folders(folder)
            if not resume and set(door.names(folder.checkpoints, ".pt")) - {START}:
                raise RequestError(
                    f"{str(path)!r} has checkpoints and no log: they would be written over",
                    hint=f"{team.again} from them; a new run needs a new folder",
                )
            for part in (folder.path, folder.checkpoints):
                checkpoint.clear_parts(part)
            with team.writer(folder) as writer:
                outcome = _prepare_and_train(folder, writer, signals, resume, rate, team)
                if outcome.ends:
                    writer.write(_ended(outcome))
            return team.exit_code(outcome._replace(code=_exit_code(folder, outcome, writer.trouble)))
    except RequestError as error:
        _print_error(error)
        return 2


def _ended(outcome: RunResult) -> RunEnded:
    reason = "; ".join(filter(None, [outcome.reason, outcome.missing]))
    return RunEnded(
        time=time.time(),
        step=outcome.step,
        status=outcome.status,
        reason=reason,
        missing=outcome.missing,
        watch_cost=outcome.watch_cost,
    )


def _exit_code(folder: RunFolder, outcome: RunResult, trouble: str) -> int:
    """Return the exit code, and say what is missing on the disk.

    A run whose weights or log are not there must not end as if all were well. It is said on stderr, and where the log
    does not end (`trouble` is the disk's word) in worker.note too.
    """
    lost = f"its log could not be written to its end: {trouble}" if trouble else ""
    if not lost and not outcome.missing:
        return outcome.code
    message = "; ".join(filter(None, [f"{outcome.status} at step {outcome.step:,}, but {lost or outcome.missing}",
                                    outcome.missing if lost else ""]))  # fmt: skip
    if lost:
        note.write(folder.note, message)
    print(f"cvtui: {folder.name}: {message}", file=sys.stderr, flush=True)
    return outcome.code or 1


def _check_folders(folder: RunFolder) -> None:
    """RequestError where checkpoints/ or pictures/ is a link: nothing is written through one."""
    for part in (folder.checkpoints, folder.pictures):
        if part.is_symlink():
            raise RequestError(
                f"{str(part)!r} is a link, which is not followed", hint="the run folder itself may be a link"
            )


def _prepare_and_train(
    folder: RunFolder, writer: EventWriter, signals: Signals, resume: bool, rate: str, team: Team
) -> RunResult:
    training: TrainingState | None = None
    try:
        recipe = recipe_of(folder, "resumed") if resume else load(folder.recipe)
        on_progress = _progress_log(writer)
        checked = settle_batch(team.check(check(recipe), folder), on_progress, folder)
        with contextlib.nullcontext() if team.shares else looked_for(signals.check):
            training, ticket = team.prepare(lambda: prepare_run(checked, folder, on_progress, early=not team.shares))
        training.ranks = team.record()
        if resume:
            _resume(training, folder, writer, rate)
        elif not _begin_as_fork(training, folder, writer):
            writer.write(run_record(training))
            training.clock = Clock()
        _log_beginning(training, writer, [*team.lines(training), *([ticket] if ticket else [])], resume)
        trainer = team.trainer(training, folder, writer, signals)
        return _train(trainer)._replace(watch_cost=trainer.watch.cost())
    except RequestError as error:
        _print_error(error)
        team.failed(error, _one_line(error))
        return RunResult("failed", _one_line(error), 2, training.step if training else 0)
    except StopRequested as asked:  # before its first step
        return RunResult("stopped", str(asked), asked.code, training.step if training else 0)
    except ImagesGone as gone:
        team.failed(gone, str(gone))
        return RunResult("failed", str(gone), 1, training.step if training else 0)
    except Exception as error:
        _log_traceback(folder)
        message = end_message(error, training)
        ends = team.failed(error, message)
        return RunResult("failed", message, 1, training.step if training else 0, ends=ends)


def _log_beginning(training: TrainingState, writer: EventWriter, more: Sequence[str], resume: bool) -> None:
    """Log what is to be told before the first step; `more` lines among it."""
    for text in training.data.notes:
        writer.write(Log(time=time.time(), text=text, level="warning", step=training.step))
    if training.checked.joins:
        size = training.recipe.step_images + 1
        text = f"the last image of an epoch joins the batch before it ({size:,} images): a batch norm needs two"
        writer.write(Log(time=time.time(), text=text, step=training.step))
    if not resume and (message := determinism_warning(training)):
        writer.write(Log(time=time.time(), text=message, level="warning", step=training.step))
    for line in more:
        writer.write(Log(time=time.time(), text=line, step=training.step))


def _progress_log(writer: EventWriter) -> OnProgress:
    """Make a callback that logs progress before the first step at once."""

    def on_progress(text: str) -> None:
        writer.write(Log(time=time.time(), text=text))
        writer.flush()

    return on_progress


def _resume(training: TrainingState, folder: RunFolder, writer: EventWriter, rate: str) -> None:
    """Put the training where the newest checkpoint was, and log it.

    At the start where there is none.
    """
    # Of the fresh weights: the prediction stays what it was. Weights that came from a file are not read again.
    first = first_run(folder) if training.recipe.weights else None
    prediction = forecast(training) if first is None or not first.prediction else first.prediction
    newest = newest_checkpoint(folder)
    if newest is None and _begin_as_fork(training, folder, writer):
        return
    if newest is None:
        messages = ["no checkpoint yet: it begins anew"]
    else:
        messages = [*newest.warnings, *restore(training, newest.state, folder.path)]
        if training.step and first_run(folder) is None:
            messages.append(f"the log before step {training.step:,} is gone: only what follows is shown")
    if training.epoch >= training.recipe.epochs:
        raise RequestError(
            f"the run has done {training.epoch} epochs, and its recipe asks for {training.recipe.epochs}",
            hint="there is nothing left to do; more epochs in recipe.toml give it more",
        )
    value, message = new_rate(training, rate) if rate else (None, "")
    training.resumed = True
    writer.write(run_record(training, prediction))
    if not newest:
        training.clock = Clock()
    for text in messages:
        writer.write(Log(time=time.time(), text=text, level="warning", step=training.step))
    writer.write(Log(time=time.time(), text=f"resumed at step {training.step:,}", step=training.step))
    if message:
        writer.write(CommandApplied(step=training.step, time=time.time(), command="set_lr", value=value, words=message))


def _begin_as_fork(training: TrainingState, folder: RunFolder, writer: EventWriter) -> bool:
    """Put a forked run where its parent was, and log it. False for any other run."""
    forked = begin_as_fork(training, folder)
    if forked is None:
        return False
    parent, messages = forked
    record = run_record(training)
    writer.write(msgspec.structs.replace(record, step=training.step, parent=msgspec.to_builtins(parent)))
    where = f"forked from {parent.run}, {parent.checkpoint}, after epoch {parent.epoch} (step {parent.step:,})"
    for text in (where, *messages):
        writer.write(Log(time=time.time(), text=text, step=training.step))
    return True


def _train(trainer: Trainer) -> RunResult:
    """Run the trainer to its end, whatever that is."""
    try:
        try:
            trainer.run()
        except StopRequested as asked:
            trainer.save_now("stop")
            _rescue(trainer)
            kill_children()
            return RunResult(
                "stopped", str(asked), asked.code, trainer.training.step, trainer.checkpoint_files.missing()
            )
        _rescue(trainer)
        return RunResult("finished", trainer.ending, 0, trainer.training.step, trainer.checkpoint_files.missing())
    except ImagesGone:
        trainer.save_now("stop")  # when they are back it goes on right here
        raise
    except Diverged as error:
        trainer.log_nonfinite(min(error.step, trainer.training.step - 1))
        return RunResult("diverged", str(error), 1, error.step, trainer.checkpoint_files.missing())
    finally:
        trainer.close()


def _rescue(trainer: Trainer) -> None:
    """Make a deleted run folder anew, for the weights and the log that waits in memory."""
    folder = trainer.folder
    if folder.path.is_dir() or not trainer.leads:
        return
    with contextlib.suppress(OSError):
        folder.path.mkdir(door.FOLDER_MODE, parents=True)
        door.write(folder.recipe, dumps(trainer.training.recipe).encode())
        trainer.save_now("stop")


def run_record(training: TrainingState, prediction: dict[str, Any] | None = None) -> RunStarted:
    """Make the record `run`; without `prediction` the forecast is made now."""
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
            "white": training.preprocess.unit,
            **data_paths(recipe),
        },
        prediction=forecast(training) if prediction is None else prediction,
        step=training.step if training.resumed else None,
        ranks=training.ranks,
        schedule=training.schedule.told(),
        rates=rate_groups(training.model, training.factors, training.frozen.names),
        kind="engine",
    )


def _one_line(error: RequestError) -> str:
    return f"{error.message} ({error.hint})" if error.hint else error.message


def _print_error(error: RequestError) -> None:
    print(f"cvtui: {_one_line(error)}", file=sys.stderr, flush=True)


def _log_traceback(folder: RunFolder) -> None:
    """Append the traceback of what is being handled to worker.log."""
    try:
        with door.opened(folder.log, "ab") as file:
            file.write(traceback.format_exc().encode("utf-8", "replace"))
    except OSError:
        traceback.print_exc()


def _peak(training: TrainingState) -> int:
    """Most memory held so far, in bytes: of the GPU's, or of the process."""
    if training.device.type == "cuda":
        return torch.cuda.max_memory_allocated(training.device)
    import resource

    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


def end_message(error: Exception, training: TrainingState | None) -> str:
    """Error message for the record `end`.

    Out of memory it says batch size, peak, the estimate, and the way out. (Watching never ends a run for want of
    memory, and is not counted.)
    """
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
