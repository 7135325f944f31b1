"""Fork: start from another run's checkpoint under a changed recipe."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import torch

from cvtui import door
from cvtui.engine.data.preprocess import Preprocess
from cvtui.engine.observe.clock import Clock, EpochSums
from cvtui.engine.observe.held_values import put_values
from cvtui.engine.optim.groups import load_state
from cvtui.engine.optim.plateau import Plateau
from cvtui.engine.runtime.plain_random import set_plain_state
from cvtui.engine.train import checkpoint
from cvtui.engine.train.initial_weights import read_weights
from cvtui.engine.train.pixels_of_weights import make_preprocess
from cvtui.engine.train.state import TrainingState
from cvtui.errors import RequestError
from cvtui.recipe.datasets.fingerprint import differences, same_classes
from cvtui.runlog.folder import RunFolder
from cvtui.runlog.fork import START, Parent, parent_of


def begin_as_fork(training: TrainingState, folder: RunFolder) -> tuple[Parent, list[str]] | None:
    """Put a fresh training where the parent's checkpoint was; return the parent and messages.

    None for a run that is no fork. RequestError when the checkpoint is damaged or belongs to another net. Weights and
    buffers are taken over; the optimizer's state too where the update rule is the same. Steps and epochs count on, so
    that the parent's curve goes on in the child's; the rate is that of the child's own schedule there. With another
    batch size the count goes on from the start of the epoch that was under way.
    """
    parent = parent_of(folder)
    path = folder.checkpoints / START
    if parent is None or not door.is_file(path):
        return None
    try:
        state = checkpoint.load(path)
    except checkpoint.Damaged as error:
        raise RequestError(f"{START} is damaged ({error}); fork from another checkpoint of {parent.run!r}") from None
    above = folder.path.with_name(parent.run)
    same_classes(state.get("classes", training.checked.data.classes), training.checked.data.classes, above)
    messages = differences(state["data"], training.fingerprint) if "data" in state else []
    _keep_beginning(training, state)
    try:
        training.model.load_state_dict(state["model"])
        put_values(training.model, state.get("held", {}))
    except (RuntimeError, KeyError):
        raise RequestError(
            f"net: the weights of {parent.run!r} don't fit it; a fork keeps its parent's net and classes",
            hint="to train another net, begin a new run",
        ) from None
    if training.ema is not None:
        training.ema.load(checkpoint.eval_weights(state))
    messages += _restore_position(training, state)
    training.thaw(begun=True)
    _restore_plateau(training, state)
    messages += _restore_optimizer(training, state)
    _restore_random_state(training, state)
    training.clock = Clock()
    return parent, messages


def _keep_beginning(training: TrainingState, state: dict[str, Any]) -> None:
    """Keep what the parent's weights began with, and prepare pixels as they want it. RequestError for other weights."""
    recipe, before = training.recipe, state["recipe"]
    if recipe.weights != before.get("weights", ""):
        raise RequestError(
            "weights: a fork continues with its parent's; to begin with others, begin a new run",
            hint=f"cvtui --weights '{recipe.weights}'" if recipe.weights else "",
        )
    if training.checked.preprocess.name != "weights":
        return
    if before.get("preprocess") == "weights":  # the file that told it may be gone
        training.preprocess = Preprocess.of_state(state["preprocess"], training.device)
    else:
        training.preprocess = make_preprocess(
            training.checked, read_weights(recipe), training.stats, training.device, training.data.train
        )


def _restore_position(training: TrainingState, state: dict[str, Any]) -> list[str]:
    steps = training.checked.steps_per_epoch
    training.epoch = int(state["epoch"])
    if training.epoch >= training.recipe.epochs:
        raise RequestError(
            f"epochs: the fork begins after epoch {training.epoch}, so {training.recipe.epochs} leave nothing to do; "
            f"allowed: more than {training.epoch}"
        )
    shift = int(state["schedule"].get("shift", 0))
    same = state.get("data", {}).get("train", training.data.train.size) == training.data.train.size
    if same and int(state["step"]) - int(state["place"]) + shift == training.epoch * steps:
        training.schedule = replace(training.schedule, shift=shift)
        training.step, training.batch_index = int(state["step"]), int(state["place"])
        training.sums = EpochSums(**state["sums"])
        return []
    training.step, training.batch_index = training.epoch * steps, 0
    return [f"an epoch has {steps:,} steps now: counting continues from the start of epoch {training.epoch + 1}"]


SHAPE = ("momentum", "amsgrad", "centered")
"""Options that decide which tensors an update rule remembers."""


def _restore_optimizer(training: TrainingState, state: dict[str, Any]) -> list[str]:
    """Load momentum and the like where the update rule is the same; options are the child's own."""
    before = str(state["recipe"].get("optimizer", "")).partition("(")[0]
    now = training.checked.optimizer.name
    if before != now:
        return [f"the optimizer's state begins anew: {before} → {now}"]
    fresh = training.optimizer.param_groups
    saved = state["optimizer"].get("param_groups", ())
    for group, old in zip(fresh, saved, strict=False):
        for name in SHAPE:
            if bool(group.get(name)) != bool(old.get(name)):
                return [f"the optimizer's state begins anew: {name} {old.get(name) or 0:g} → {group.get(name) or 0:g}"]
    try:
        kept, count = load_state(training.optimizer, state["optimizer"])
    except (RuntimeError, KeyError, ValueError):
        return ["the optimizer's state does not fit and begins anew"]
    if kept == count:
        return []
    changed = f"freeze {state['recipe'].get('freeze') or 'nothing'} → {training.recipe.freeze or 'nothing'}"
    which = f"of {count:,} trained parameter tensors {kept:,} keep the optimizer's state"
    return [f"{changed}: {which}; it begins anew for the other {count - kept:,}"]


def _restore_plateau(training: TrainingState, state: dict[str, Any]) -> None:
    """Take over a plateau's reductions and its counters, where the schedule is the parent's."""
    if training.recipe.schedule == state["recipe"].get("schedule") and training.schedule.name == "plateau":
        training.schedule = replace(training.schedule, drops=tuple(state["schedule"].get("drops", ())))
        training.plateau = Plateau.of_state(state.get("plateau", {}))


def _restore_random_state(training: TrainingState, state: dict[str, Any]) -> None:
    if training.recipe.seed != state["recipe"].get("seed"):
        return
    torch.set_rng_state(state["random"]["torch"])
    set_plain_state(state["random"])
    if training.device.type == "cuda" and "cuda" in state["random"]:
        torch.cuda.set_rng_state(state["random"]["cuda"], training.device)
