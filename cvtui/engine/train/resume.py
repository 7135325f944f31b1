"""Resume from a checkpoint: everything that the next step depends on is restored."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import torch

from cvtui import door
from cvtui.engine.data.preprocess import Preprocess
from cvtui.engine.observe.clock import Clock, EpochSums
from cvtui.engine.observe.held_values import put_values, told_lost
from cvtui.engine.optim.groups import load_state
from cvtui.engine.optim.plateau import Plateau
from cvtui.engine.runtime.device import describe
from cvtui.engine.runtime.job_rank import ranks_here
from cvtui.engine.runtime.plain_random import set_plain_state
from cvtui.engine.train import checkpoint
from cvtui.engine.train.state import TrainingState
from cvtui.errors import RequestError
from cvtui.recipe.choices.schedules import Schedule
from cvtui.recipe.datasets.fingerprint import differences, same_classes
from cvtui.recipe.learning_rate import parse_rate
from cvtui.recipe.resume_rules import SCHEDULE, changes, obey
from cvtui.runlog.folder import RunFolder
from cvtui.runlog.fork import START
from cvtui.runlog.origin import first_run, recorded_recipe

ORDER = ("last.pt", "last-1.pt")
"""The newest state and the one before it."""


class LoadedCheckpoint(NamedTuple):
    path: Path
    state: dict[str, Any]
    warnings: list[str]
    """Messages about newer checkpoints that are damaged."""


def newest_checkpoint(folder: RunFolder) -> LoadedCheckpoint | None:
    """Newest whole checkpoint of a run; None where there is none at all.

    RequestError when all are damaged.
    """
    warnings: list[str] = []
    damaged: dict[str, list[str]] = {}
    """Names by what is wrong with them."""
    for name in ORDER:
        path = folder.checkpoints / name
        if not door.is_file(path):
            continue
        try:
            return LoadedCheckpoint(path, checkpoint.load(path), warnings)
        except checkpoint.Damaged as error:
            damaged.setdefault(str(error), []).append(name)
            warnings.append(f"{name} is damaged ({error}); the checkpoint before it is used")
    others = []  # best, every Nth epoch, asked for: the latest of those that are whole
    for path in (folder.checkpoints / name for name in door.names(folder.checkpoints, ".pt")):
        if path.name not in (*ORDER, START):
            try:
                others.append(LoadedCheckpoint(path, checkpoint.load(path), warnings))
            except checkpoint.Damaged as error:
                damaged.setdefault(str(error), []).append(path.name)
                warnings.append(f"{path.name} is damaged ({error})")
    if others:
        return max(others, key=lambda loaded: int(loaded.state.get("step", 0)))
    if damaged:
        told = "; ".join(f"{', '.join(names)} ({why})" for why, names in damaged.items())
        raise RequestError(
            f"all checkpoints of {folder.name!r} are damaged: {told}",
            hint="repeat the run from its recipe.toml",
        )
    return None


def restore(training: TrainingState, state: dict[str, Any], run: Path = Path("run")) -> list[str]:
    """Put a fresh training where the checkpoint of the run folder `run` was; return messages.

    They say what of the recipe and of the data has changed, and what may make bits differ from an uninterrupted run.
    RequestError when the checkpoint belongs to another net, to other classes, or to a recipe that a resume can't change
    into this one (see recipe/resume_rules.py for each field).
    """
    messages = obey(recorded_recipe(state.get("recipe", {}), first_run(RunFolder(run))), training.recipe, run)
    same_classes(state.get("classes", training.checked.data.classes), training.checked.data.classes, run)
    messages += differences(state["data"], training.fingerprint) if "data" in state else []
    try:
        training.model.load_state_dict(state["model"])
        put_values(training.model, state.get("held", {}))
        messages += told_lost(state.get("not_held", ()))
        if training.ema is not None:
            training.ema.load(checkpoint.eval_weights(state))
        training.step, training.epoch, training.batch_index = state["step"], state["epoch"], state["place"]
        training.thaw(begun=True)
        load_state(training.optimizer, state["optimizer"])
        if training.scaler is not None and "scaler" in state:
            training.scaler.load_state_dict(state["scaler"])
        training.sums = EpochSums(**state["sums"])
        messages += _restore_schedule(training, state)
        training.best, training.best_epoch = state["best"], int(state.get("best_epoch", 0))
        training.accuracy, training.missing = state.get("val_accuracy"), list(state.get("missing", []))
        training.keeps_features = state.get("features")
        training.preprocess = Preprocess.of_state(state["preprocess"], training.device)
        training.keep_validation_batch(state)
        seconds = float(state["seconds"])
        random = state["random"]
        messages += _environment_messages(training, state)
    except (KeyError, TypeError, ValueError, RuntimeError) as error:
        what = " ".join(str(error).split())[:200]
        raise RequestError(f"the checkpoint does not fit the recipe: {what}") from None
    training.clock = Clock(seconds)
    torch.set_rng_state(random["torch"])
    set_plain_state(random)
    if training.device.type == "cuda" and "cuda" in random:
        torch.cuda.set_rng_state(random["cuda"], training.device)
    return messages


def _restore_schedule(training: TrainingState, state: dict[str, Any]) -> list[str]:
    """Restore the checkpoint's schedule, with all that was set by hand.

    A new one where the recipe's was changed; either is fitted to the number of images that there are now.
    """
    own, before = training.schedule, Schedule(**state["schedule"])
    changed = changes(state.get("recipe", {}), training.recipe).keys() & set(SCHEDULE)
    messages = []
    if changed <= {"epochs"}:
        training.schedule = replace(before, epochs=own.epochs, steps_per_epoch=own.steps_per_epoch)
        training.plateau = Plateau.of_state(state.get("plateau", {}))
    elif before.name == own.name == "plateau":
        training.schedule = replace(own, drops=tuple(before.drops), shift=before.shift)
        training.plateau = Plateau.of_state(state.get("plateau", {}))
    else:
        training.schedule = replace(own, shift=before.shift)
    if state.get("data", {}).get("train", training.data.train.size) != training.data.train.size:
        messages += _restart_epoch(training)
    if changed or messages:
        was, now = before.lr_at(training.step), training.schedule.lr_at(training.step)
        messages.append(f"the schedule from here on: {training.schedule.describe()}; rate {was:.3g} → {now:.3g}")
    return messages


def _restart_epoch(training: TrainingState) -> list[str]:
    """Begin the epoch under way anew; steps count on.

    Images came or went, so its order is another.
    """
    steps = training.schedule.steps_per_epoch
    done, training.batch_index, training.sums = training.batch_index, 0, EpochSums()
    training.schedule = replace(training.schedule, shift=training.epoch * steps - training.step)
    anew = f"; epoch {training.epoch + 1}, of which {done:,} steps were done, begins anew" if done else ""
    return [f"an epoch has {steps:,} steps now{anew}"]


def new_rate(training: TrainingState, text: str) -> tuple[float, str]:
    """Set another rate for the rest of a run: `0.001`, or `/10`, `*2`.

    Returns the rate of the next step and the message for the log. RequestError for another text.
    """
    now = training.schedule.lr_at(training.step)
    value = parse_rate(text, now)
    training.schedule = training.schedule.moved_to(training.step, value)
    return value, f"rate {now:.3g} → {value:.3g}"


def _environment_messages(training: TrainingState, state: dict[str, Any]) -> list[str]:
    """Messages about another device, PyTorch or number of threads.

    Exactness is promised for the same alone.
    """
    alone = ranks_here() == 1  # of several ranks each has its share of the cores
    if alone and training.device.type == "cpu" and training.threads != state["threads"] and not training.recipe.threads:
        torch.set_num_threads(state["threads"])
        training.threads = state["threads"]
    now = {
        "device": describe(training.device) if "described" in state else str(training.device),
        "threads": training.threads,
        "torch": str(torch.__version__).split("+")[0],
    }
    before = {**state, "device": state.get("described", state["device"])}  # with the GPU's name
    changed = [f"{name} {before[name]} → {value}" for name, value in now.items() if before[name] != value]
    return [f"resumed with {', '.join(changed)}: the numbers may differ in their last bits"] if changed else []
