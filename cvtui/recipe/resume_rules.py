"""Resume rules: what a resume does with a field of the recipe that was changed after the run began.

The run's record says the recipe of the file, so what a resume does not obey it must refuse. docs/reliability.md has the
same table for people.
"""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from cvtui.errors import RequestError
from cvtui.recipe.datasets.catalog import find_source
from cvtui.recipe.datasets.facts import place_of
from cvtui.recipe.recipe import Recipe

Does = Literal["obeyed", "told", "refused"]


@dataclass(frozen=True)
class Rule:
    does: Does
    """obeyed: it changes no number of the training; told: obeyed from here on, with a line in the log; refused."""
    why: str
    forks: bool = False
    """Refused: a fork can have it."""
    where: str = ""
    """Of which nets that holds, where not of all."""


SCHEDULE = ("lr", "scale_lr", "schedule", "schedule_per", "warmup", "epochs")
"""The fields that the learning rate's schedule is made of."""

RULES: dict[str, Rule] = {
    "data": Rule("refused", "a run is one training on one set; a folder may move, as long as it holds the same classes",
                 forks=True),
    "data_dir": Rule("obeyed", "where the set lies does not change what is in it"),
    "size": Rule("refused", "the weights were learnt on images of the other size", forks=True,
                 where="where the net's weights fit both sizes (with gap they do)"),
    "bits": Rule("refused", "the weights were learnt on pixels of the other scale", forks=True),
    "cache": Rule("told", "from this step on: items that draw random numbers are drawn once, or in every epoch"),
    "val_share": Rule("refused", "images that were trained on would become validation images"),
    "only": Rule("refused", "the net's outputs are the classes that it began with"),
    "limit": Rule("refused", "an epoch would be another number of steps", forks=True),
    "label_noise": Rule("refused", "the same images would get other labels", forks=True),
    "imbalance": Rule("refused", "an epoch would be another number of steps", forks=True),
    "augment": Rule("told", "from this step on"),
    "mix": Rule("told", "from this step on"),
    "balance": Rule("refused", "the images of an epoch, or what each counts, would be others", forks=True),
    "preprocess": Rule("refused", "the weights were learnt on pixels prepared in the other way", forks=True),
    "net": Rule("refused", "the checkpoint holds the weights of the other net"),
    "weights": Rule("refused", "the run has begun with its weights already"),
    "init": Rule("refused", "the weights have been drawn already"),
    "freeze": Rule("refused", "the checkpoint holds the state of the other parameters", forks=True),
    "unfreeze_at": Rule("told", "from this step on; the optimizer's state of layers that thaw begins anew"),
    "lr_backbone": Rule("told", "from this step on"),
    "layer_decay": Rule("told", "from this step on"),
    "loss": Rule("refused", "the two halves of the curve would not compare", forks=True),
    "optimizer": Rule("refused", "the checkpoint holds the other rule's state", forks=True),
    "lr": Rule("told", "the schedule is the file's from this step on"),
    "momentum": Rule("refused", "the checkpoint holds velocities of the other momentum", forks=True),
    "weight_decay": Rule("told", "from this step on"),
    "clip": Rule("told", "from this step on"),
    "ema": Rule("told", "from this step on; a mean that is new begins at the weights of this step"),
    "scale_lr": Rule("told", "the schedule is the file's from this step on"),
    "schedule": Rule("told", "the schedule is the file's from this step on"),
    "schedule_per": Rule("told", "the schedule is the file's from this step on"),
    "warmup": Rule("told", "the schedule is the file's from this step on"),
    "epochs": Rule("told", "the schedule gets the new length, and keeps a rate that was set by hand"),
    "batch_size": Rule("refused", "an epoch would be another number of steps", forks=True),
    "accumulate": Rule("refused", "an epoch would be another number of steps", forks=True),
    "patience": Rule("obeyed", "when the run ends; the epochs without a better value count on"),
    "max_time": Rule("obeyed", "when the run stops; each resume has the whole time"),
    "seed": Rule("refused", "order, augmentation and dropout, and the split of a folder, follow from it", forks=True),
    "device": Rule("told", "the last bits may differ"),
    "precision": Rule("told", "from this step on"),
    "deterministic": Rule("told", "from this step on"),
    "graph": Rule("obeyed", "a captured step gives the same bits"),
    "threads": Rule("obeyed", "a change that may move the last bits is told beside device and PyTorch's version"),
    "nproc": Rule("told", "each step has the same images, cut over another number of ranks; the last bits may differ"),
    "sync_bn": Rule("told", "from this step on"),
    "max_restarts": Rule("obeyed", "it changes no number"),
    "rank_timeout": Rule("obeyed", "it changes no number"),
    "watch_every": Rule("obeyed", "looking changes no number"),
    "keep": Rule("obeyed", "which checkpoints stay from here on"),
    "save_every": Rule("obeyed", "when last.pt is written from here on"),
    "on_nan": Rule("told", "from this step on"),
    "name": Rule("obeyed", "the folder keeps the name that it has"),
}  # fmt: skip


def changes(before: Mapping[str, Any], now: Recipe) -> dict[str, tuple[Any, Any]]:
    """Return field -> (value when the checkpoint was made, value now) of those that differ.

    What an older checkpoint does not hold is not known to differ; a folder that moved is compared by what it holds (see
    fingerprint.py).
    """
    found = {}
    for name in Recipe.__struct_fields__:
        value = getattr(now, name)
        if name in before and before[name] != value:
            found[name] = (before[name], value)
    if "data" in found and _same_kind(*map(str, found["data"])):
        del found["data"]
    return found


def _same_kind(before: str, now: str) -> bool:
    """Return True for folders, or for files that are read in the same way: only their place differs."""
    if place_of(before) is None or (place := place_of(now)) is None:
        return False
    source = find_source(before)
    return source is not None and source is find_source(now) and source.moved(before, place) == source.moved(now, place)


def obey(before: Mapping[str, Any], now: Recipe, run: Path) -> list[str]:
    """Check a recipe that was changed before the run folder `run` resumes; return a line to tell, or none.

    RequestError, with the way out, for a change that a resume can't obey.
    """
    found = changes(before, now)
    for name, (old, new) in found.items():
        rule = RULES[name]
        if rule.does == "refused":
            raise RequestError(
                f"{name}: recipe.toml says {_shown(new)}, the checkpoint was trained with {_shown(old)}; a resume "
                f"can't change it: {rule.why}",
                hint=_way_out(name, old, new, rule, run),
            )
    told = [f"{name} {_shown(old)} → {_shown(new)}" for name, (old, new) in found.items() if RULES[name].does == "told"]
    return [f"recipe.toml was changed; from here on: {', '.join(told)}"] if told else []


def _way_out(name: str, old: Any, new: Any, rule: Rule, run: Path) -> str:
    back, anew = f"put {_shown(old)} back", f"`cvtui {shlex.quote(str(run / 'recipe.toml'))}`"
    if rule.forks:
        option = f"--{name.replace('_', '-')} {shlex.quote(_shown(new))}"
        where = f" {rule.where}, else {anew}" if rule.where else ""
        return f"{back}, and `cvtui fork {shlex.quote(str(run))} {option}` begins a new run there with it{where}"
    return f"{back}, or {anew} begins a new run with it"


def _shown(value: Any) -> str:
    text = f"{value:g}" if isinstance(value, float) else str(value)
    text = text if text.isprintable() else ascii(text)
    return (text if len(text) <= 60 else text[:59] + "…") or "nothing"
