"""Evaluate a run, or compare two on the same images: `python -m cvtui.engine --evaluate` (see runlog/evaluation.py)."""

from __future__ import annotations

import os
import shlex
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, Any, NamedTuple

import msgspec

from cvtui.engine.data.loading import load
from cvtui.engine.infer.answers import Answers, LabelledBatch, file_batches, gather, of_training, own_batches
from cvtui.engine.infer.comparison import compare
from cvtui.engine.infer.numbers import expected_error, log_loss, numbers
from cvtui.engine.infer.opened import open_model
from cvtui.engine.infer.set_numbers import set_numbers
from cvtui.engine.infer.trained import TrainedModel
from cvtui.engine.infer.views import views_of
from cvtui.engine.observe.untouched import drawn_apart
from cvtui.engine.runtime.stdout_records import tell_progress, tell_records, write_record
from cvtui.engine.train.checkpoint import is_several
from cvtui.engine.train.validated import load_checkpoint, validated_run
from cvtui.errors import RequestError
from cvtui.metrics.calibration import COLDEST, HOTTEST, fit_temperature
from cvtui.recipe.datasets.class_names import match
from cvtui.recipe.datasets.labelled import Labelled, data_text, labelled_files
from cvtui.recipe.recipe import Recipe
from cvtui.recipe.validation import check
from cvtui.runlog.calibration import Calibration, read_calibration, write_calibration
from cvtui.runlog.evaluation import Comparison, EvaluateAsk, Evaluation, Told, write_evaluation
from cvtui.runlog.folder import RunFolder
from cvtui.runlog.fork import checkpoint_file
from cvtui.runlog.mistakes import Progress
from cvtui.runlog.origin import first_run, recipe_of

Tell = Callable[[Told], None]


class EvaluatedRun(NamedTuple):
    """One run's answers, and what is known of them."""

    answers: Answers
    about: dict[str, Any]
    temperature: float | None


def evaluate_stdin() -> int:
    """Evaluate what stdin asks, on stdout; return the exit code: 0, or 2 with the reason on stderr."""

    def records(out: IO[bytes]) -> Iterator[Evaluation | Comparison]:
        ask = msgspec.json.decode(sys.stdin.buffer.readline(), type=EvaluateAsk)
        yield from evaluations(ask, lambda one: write_record(out, one))

    return tell_records(records)


def evaluations(ask: EvaluateAsk, tell: Tell) -> Iterator[Evaluation | Comparison]:
    """Yield the evaluation of each run that is asked for, and for two their comparison."""
    first = answered(RunFolder.open(Path(ask.run)), ask, tell)
    told = finished(RunFolder.open(Path(ask.run)), ask, first)
    yield told
    if not ask.other:
        return
    other = RunFolder.open(Path(ask.other))
    second = answered(other, ask, tell)
    if second.answers.classes != first.answers.classes:
        raise RequestError(f"{Path(ask.run).name!r} and {other.name!r} have different classes: nothing to compare")
    also = finished(other, ask, second)
    yield also
    compared = compare(first.answers, second.answers, Path(ask.run).name, other.name)
    if told.trained_on != also.trained_on:
        compared.notes.append(f"{told.run} was trained on {told.trained_on}, {also.run} on {also.trained_on}")
    yield compared


def answered(folder: RunFolder, ask: EvaluateAsk, tell: Tell) -> EvaluatedRun:
    """Return a run's answers to the images that are asked for. RequestError."""
    if ask.calibrate and (ask.data or ask.split == "test" or ask.other or ask.tta):
        raise RequestError(
            "--calibrate: the temperature is fitted on the run's own validation images, as they are",
            hint="calibrate first, then evaluate the test images: they are told with it",
        )

    def progress(done: int, of: int) -> None:
        tell(Progress(done=done, of=of))

    if not ask.data and ask.split != "test":
        return _own(folder, ask, progress)
    if is_several(load_checkpoint(folder, ask.checkpoint)):
        raise RequestError(
            f"pictures of {recipe_of(folder, 'evaluated').data} are in several classes: evaluated are the run's own "
            "validation images",
            hint="leave --data and --split test out; `cvtui predict RUN IMAGE… --json` answers other images",
        )
    return _other(folder, ask, progress)


def _own(folder: RunFolder, ask: EvaluateAsk, progress: Callable[[int, int], None]) -> EvaluatedRun:
    """Answer the run's own validation images, as the run itself does."""
    training, state, notes = validated_run(folder, ask.checkpoint, tell_progress, ask.device)
    views = views_of(training.recipe) if ask.tta else ()
    size = training.data.validation.size
    files = training.data.names.validation.files
    table = training.label_table
    with drawn_apart(training.model, training.recipe.seed):  # as the run has drawn them
        found = gather(of_training(training), own_batches(training), size, files, progress, views, table)
    listed = set(training.data.files[1])
    found.unread += [(path, why) for path, why in training.data.unreadable if path in listed]
    name = checkpoint_file(folder, ask.checkpoint).name
    about = {
        "run": folder.name, "checkpoint": name, "epoch": int(state["epoch"]), "step": int(state["step"]),
        "ema": bool(state.get("ema")), "time": time.time(), "data": f"{training.recipe.data}, validation",
        "split": "validation", "notes": notes, "tta": [view.name for view in views],
    }  # fmt: skip
    return EvaluatedRun(found, about, _temperature(folder, name, int(state["step"])))


def _other(folder: RunFolder, ask: EvaluateAsk, progress: Callable[[int, int], None]) -> EvaluatedRun:
    """Answer other labelled images: a folder, a list, a named set, or the run's own test images."""
    model = open_model(folder.path, ask.checkpoint, ask.device)
    recipe = recipe_of(folder, "evaluated")
    text = data_text(ask.data) if ask.data else recipe.data
    views = views_of(recipe) if ask.tta else ()
    labelled = labelled_files(text, ask.split, model.classes, bool(recipe.only))
    notes = list(model.notes)
    if labelled is not None:
        notes += _met_in_training(recipe, labelled, ask)
        batches, most, where = file_batches(model, labelled), len(labelled.files), labelled.where
        files = bool(labelled.files) and type(labelled.files[0][0]) is str
        notes += labelled.notes
    else:
        batches, most, where = _loaded(model, recipe, text, ask)
        files = False
    found = gather(model, batches, most, files, progress, views)
    if not len(found.truth):
        raise RequestError(f"data: none of the {most:,} images of {where} can be read")
    about = {
        "run": folder.name, "checkpoint": model.checkpoint, "epoch": model.epoch, "step": model.step,
        "ema": model.ema, "time": time.time(), "data": where, "split": "other" if ask.data else "test",
        "notes": notes, "tta": [view.name for view in views],
    }  # fmt: skip
    return EvaluatedRun(found, about, _temperature(folder, model.checkpoint, model.step))


def _met_in_training(recipe: Recipe, labelled: Labelled, ask: EvaluateAsk) -> list[str]:
    """Say which of these images the run was trained or chosen on: they say little about new ones."""
    if ask.split != "test" and not ask.data:
        return []
    own = _own_files(recipe)
    paths = {os.path.realpath(path) for path, _ in labelled.files}
    notes = []
    for half, words in (
        ("train", "trained on"),
        ("validation", "validated on, and its best checkpoint chosen by"),
    ):
        if met := len(paths & own.get(half, set())):
            notes.append(f"{met:,} of these {len(paths):,} images are among those that the run was {words}")
    return notes


def _own_files(recipe: Recipe) -> dict[str, set[str]]:
    """Return the real paths of the files that the run's folder has for each half; {} for other data."""
    from cvtui.recipe.datasets.folder_typed import path_of, split_of
    from cvtui.recipe.datasets.image_folder import listing

    if not recipe.data.startswith("folder:"):
        return {}
    try:
        found = listing(path_of(recipe.data), recipe.val_share, recipe.seed, split=split_of(recipe.data),
                        only=recipe.only)  # fmt: skip
    except RequestError:
        return {}
    halves = {"train": found.train, "validation": found.validation}
    return {half: {os.path.realpath(path) for path, _ in files} for half, files in halves.items()}


def _loaded(
    model: TrainedModel, recipe: Recipe, text: str, ask: EvaluateAsk
) -> tuple[Iterator[LabelledBatch], int, str]:
    """Return the validation images of a named set, an npz file or a user's dataset. RequestError."""
    if ask.split == "test":
        raise RequestError(
            f"--split test: only folders and lists of images keep a test part apart; {text!r} does not",
            hint="--data takes other labelled images",
        )
    other = msgspec.structs.replace(recipe, data=text, only="", limit=0, imbalance=1.0, label_noise=0.0)
    checked = check(other)
    split = load(checked.recipe, tell_progress)
    part, size = split.validation, tuple(checked.data.size)
    if size != model.size:
        want, have = ("x".join(map(str, one)) for one in (model.size, size))
        raise RequestError(f"data: the images of {text!r} are {have}, the run was trained on {want}")
    numbers = [match(name, model.classes) for name in split.classes]
    if unknown := [name for name, known in zip(split.classes, numbers, strict=True) if known is None]:
        raise RequestError(f"data: {text!r} has the class {unknown[0]!r}, which the run does not know; its classes: "
                           f"{', '.join(model.classes[:20])}")  # fmt: skip
    place = [model.classes.index(str(name)) for name in numbers]
    names = split.names.validation

    def batches() -> Iterator[LabelledBatch]:
        import torch

        start, table = 0, torch.tensor(place)
        for pixels, labels in part.in_order(model.batch_size):
            given = [names[start + row] for row in range(len(labels))]
            yield LabelledBatch(pixels, table[labels], given, [])
            start += len(labels)

    return batches(), part.size, f"{text}, validation"


def _temperature(folder: RunFolder, checkpoint: str, step: int) -> float | None:
    found = read_calibration(folder)
    fits = found is not None and (found.checkpoint, found.step) == (checkpoint, step)
    return found.temperature if found is not None and fits else None


def finished(folder: RunFolder, ask: EvaluateAsk, found: EvaluatedRun) -> Evaluation:
    """Return the numbers; calibrate first where that is asked, and keep what is worth keeping beside the run."""
    temperature = calibrate(folder, found) if ask.calibrate else found.temperature
    about = {"trained_on": _trained_on(folder), **found.about}
    if found.answers.table is not None:
        evaluation = set_numbers(found.answers, **about)
    else:
        evaluation = numbers(found.answers, temperature, **about)
    best = checkpoint_file(folder).name == evaluation.checkpoint
    if best and not ask.tta and not ask.data:
        try:
            write_evaluation(folder, evaluation)
        except OSError as error:
            where = shlex.quote(str(folder.path))
            evaluation.notes.append(f"not kept beside the run: {where} can't be written ({error.strerror})")
    return evaluation


def _trained_on(folder: RunFolder) -> str:
    run = first_run(folder)
    count = run.data.get("train") if run is not None else None
    return f"{count:,} images of {run.recipe.get('data')}" if run is not None and isinstance(count, int) else ""


def calibrate(folder: RunFolder, found: EvaluatedRun) -> float:
    """Fit the temperature on these answers and keep it beside the run. RequestError for logits without numbers."""
    import numpy as np

    answers = found.answers
    if answers.table is not None:
        raise RequestError("--calibrate: pictures are in several classes; one temperature is fitted for one class an "
                           "image")  # fmt: skip
    if not np.isfinite(answers.logits).all():
        raise RequestError("--calibrate: some logits are NaN or infinite; the run has diverged")
    temperature = fit_temperature(answers.logits, answers.truth, yes_no=answers.yes_no)
    if not COLDEST < temperature < HOTTEST:
        right = "every one is right, so " if (answers.truth == answers.said).all() else ""
        cold = f"{right}the surest answers would be the best"
        why = cold if temperature <= COLDEST else "the answers say nothing of the classes"
        raise RequestError(
            f"--calibrate: no temperature fits these {len(answers.truth):,} validation images: {why}",
            hint="leave --calibrate out; more validation images, with some mistakes among them, can be fitted",
        )
    write_calibration(
        folder,
        Calibration(
            temperature=temperature, checkpoint=found.about["checkpoint"], step=found.about["step"],
            images=len(answers.truth),
            ece=[expected_error(answers), expected_error(answers, temperature)],
            log_loss=[log_loss(answers), log_loss(answers, temperature)],
        ),
    )  # fmt: skip
    return temperature
