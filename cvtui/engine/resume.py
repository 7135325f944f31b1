"""Going on from a checkpoint: everything that the next step depends on is put back as it was."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

import torch

from cvtui import door
from cvtui.engine import checkpoint
from cvtui.engine.plateau import Plateau
from cvtui.engine.preprocess import Preprocess
from cvtui.engine.training import Clock, EpochSums, Training
from cvtui.errors import RequestError
from cvtui.recipe.rates import parse_rate
from cvtui.recipe.schedule import Schedule
from cvtui.runlog.folder import RunFolder
from cvtui.runlog.fork import START

ORDER = ("last.pt", "last-1.pt")
"""The newest state and the one before it."""


class Found(NamedTuple):
    path: Path
    state: dict[str, Any]
    warnings: list[str]
    """What is wrong with newer checkpoints, one line each."""


def newest_checkpoint(folder: RunFolder) -> Found | None:
    """The newest whole checkpoint of a run; None where there is none at all. RequestError when all are damaged."""
    warnings: list[str] = []
    for name in ORDER:
        path = folder.checkpoints / name
        if not door.is_file(path):
            continue
        try:
            return Found(path, checkpoint.load(path), warnings)
        except checkpoint.Damaged as error:
            warnings.append(f"{name} is damaged ({error}); the checkpoint before it is used")
    others = []  # best, every Nth epoch, asked for: the latest of those that are whole
    for path in (folder.checkpoints / name for name in door.names(folder.checkpoints, ".pt")):
        if path.name not in (*ORDER, START):
            try:
                others.append(Found(path, checkpoint.load(path), warnings))
            except checkpoint.Damaged as error:
                warnings.append(f"{path.name} is damaged ({error})")
    if others:
        return max(others, key=lambda found: int(found.state.get("step", 0)))
    if warnings:
        raise RequestError(
            f"all checkpoints of {folder.name!r} are damaged: {'; '.join(warnings)}",
            hint="repeat the run from its recipe.toml",
        )
    return None


def restore(training: Training, state: dict[str, Any]) -> list[str]:
    """Puts `training`, freshly prepared from the same recipe, where the checkpoint was. The words to tell: what may
    make bits differ from an uninterrupted run. RequestError when the checkpoint belongs to another net."""
    try:
        training.model.load_state_dict(state["model"])
        if training.ema is not None:
            training.ema.load(checkpoint.judged(state))
        training.optimizer.load_state_dict(state["optimizer"])
        training.schedule = Schedule(**state["schedule"])
        training.plateau = Plateau(**state.get("plateau", {}))
        training.step, training.epoch, training.place = state["step"], state["epoch"], state["place"]
        training.best = state["best"]
        training.preprocess = Preprocess.of_state(state["preprocess"], training.device)
        training.sums = EpochSums(**state["sums"])
        seconds = float(state["seconds"])
        random = state["random"]
        told = _differences(training, state)
    except (KeyError, TypeError, ValueError, RuntimeError) as error:
        what = " ".join(str(error).split())[:200]
        raise RequestError(f"the checkpoint does not fit the recipe: {what}") from None
    training.clock = Clock(seconds)
    torch.set_rng_state(random["torch"])
    if training.device.type == "cuda" and "cuda" in random:
        torch.cuda.set_rng_state(random["cuda"], training.device)
    return told


def new_rate(training: Training, text: str) -> tuple[float, str]:
    """Gives the rest of a run another rate: `0.001`, or `/10`, `*2` of what it would be now. The rate of the next step
    and the words for the log. RequestError for another text."""
    now = training.schedule.lr_at(training.step)
    value = parse_rate(text, now)
    training.schedule = training.schedule.moved_to(training.step, value)
    return value, f"rate {now:.3g} → {value:.3g}"


def _differences(training: Training, state: dict[str, Any]) -> list[str]:
    """Exactness is promised for the same device, PyTorch and number of threads alone."""
    if training.device.type == "cpu" and training.threads != state["threads"] and not training.recipe.threads:
        torch.set_num_threads(state["threads"])
        training.threads = state["threads"]
    now = {
        "device": str(training.device),
        "threads": training.threads,
        "torch": str(torch.__version__).split("+")[0],
    }
    changed = [f"{name} {state[name]} → {value}" for name, value in now.items() if state[name] != value]
    return [f"resumed with {', '.join(changed)}: the numbers may differ in their last bits"] if changed else []
