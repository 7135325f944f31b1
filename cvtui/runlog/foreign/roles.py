"""Which column of a log is the loss, the accuracy, the rate: by its name, or as the user says."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from cvtui.errors import RequestError, nearest
from cvtui.runlog.foreign.exports import WANDB
from cvtui.runlog.foreign.kinds import VALIDATION
from cvtui.runlog.foreign.scalars import ScalarLog

ROLES = ("loss", "accuracy", "val_loss", "val_accuracy", "lr", "epoch")
_VALIDATION = {"val", "valid", "validation", "eval", "dev"}
_TEST = {"test"}
_TRAIN = {"train", "training", "tr"}
_RIGHT = {"acc", "accuracy", "acc1", "top1", "accuracy01", "multiclassaccuracy"}
_ACCURACY = _RIGHT | {"precision1", "categorical", "multiclass", "binary", "sparse", "top", "1"}
_PLAIN = {
    "metrics",
    "metric",
    "step",
    "epoch",
    "batch",
    "mini",
    "mean",
    "avg",
    "average",
    "running",
    "losses",
    "total",
    "scalars",
}
"""Words that leave the meaning of a name as it is."""
_ALIASES = ({"nll"}, {"crossentropy"}, {"cross", "entropy"}, {"xent"})
"""Names of a loss without that word: ignite's examples have `nll`."""


@dataclass(frozen=True)
class Chosen:
    """One column (or the sum of several) for one role."""

    names: tuple[str, ...]
    values: dict[int, float]

    @property
    def words(self) -> str:
        return " + ".join(self.names)


def choose(log: ScalarLog, told: Mapping[str, str]) -> dict[str, Chosen]:
    """Return the columns by role. told: role → column, as the user gave it; "" for none.

    RequestError without a loss, or where several could be it.
    """
    chosen = {role: Chosen((name,), log.columns[_known(log, role, name)]) for role, name in told.items() if name}
    run = told.get("loss", "").rpartition(" - ")[0] if log.kind == WANDB else ""
    for role in ROLES:
        if role in told or role in chosen:
            continue
        names = _candidates(log, role, run)
        if role == "loss" and len(names) > 1 and not _parts(names):
            raise RequestError(
                f"{len(names)} columns could be the loss: {_some(names)}", hint=f"--column loss={names[0]} says which"
            )
        if names:
            chosen[role] = Chosen(tuple(names), _sum([log.columns[name] for name in names]))
    if "loss" not in chosen:
        raise RequestError(
            f"no column of {log.kind} looks like a training loss; it has {_some(sorted(log.columns))}",
            hint="--column loss=NAME says which one it is",
        )
    return chosen


MANY = 5
"""Training losses for each evaluation, from which on steps and epochs can be told apart."""


def spread(log: ScalarLog, chosen: dict[str, Chosen]) -> dict[str, Chosen]:
    """Return the columns in the steps of the loss: values that are counted 0, 1, 2 … beside it are of epochs.

    (`add_scalar("train", loss, step)` and `add_scalar("test", loss, epoch)` in one TensorBoard file.)
    """
    first, last = min(chosen["loss"].values), max(chosen["loss"].values)
    found = dict(chosen)
    for role, one in chosen.items():
        steps = sorted(one.values)
        counted = len(steps) > 2 and steps[0] in (0, 1) and steps == list(range(steps[0], steps[0] + len(steps)))
        if not counted or len(chosen["loss"].values) < MANY * len(steps) or 2 * steps[-1] > last - first:
            continue
        places = [first + (last - first) * number // len(steps) for number in range(1, len(steps) + 1)]
        if role == "lr":  # it holds from there on
            places = [first, *places[:-1]]
        found[role] = Chosen(one.names, {at: one.values[step] for at, step in zip(places, steps, strict=True)})
    if moved := [one.words for role, one in chosen.items() if found[role] is not one]:
        log.notes.append(f"counted in epochs and spread evenly over the steps of the loss: {', '.join(moved)}")
    return found


def _known(log: ScalarLog, role: str, name: str) -> str:
    if name in log.columns:
        return name
    close = nearest(name, list(log.columns))
    raise RequestError(
        f"--column {role}={name}: the log has no such column{close}; it has {_some(sorted(log.columns))}"
    )


def _candidates(log: ScalarLog, role: str, run: str) -> list[str]:
    """Return the best columns for a role: one, or several that are equally good. run: that of a chart of several."""
    mine = VALIDATION.get(log.kind, "")
    own = [name for name in log.columns if name.startswith(run)]
    unsaid = _unsaid(own)
    scores = ((_score(f"val/{name}" if (mine and name.startswith(mine)) or name in unsaid else name, role), name)
              for name in own)  # fmt: skip
    scored = sorted((score, name) for score, name in scores if score is not None)
    if not scored:
        return []
    best = scored[0][0]
    names = [name for score, name in scored if score == best]
    return names if role in ("loss", "val_loss") and best >= 10 else _finest(log, names)


def _unsaid(names: Sequence[str]) -> set[str]:
    """Return the accuracies that name no half, where both losses do and no accuracy does: they are the validation's.

    (`train_loss, valid_loss, accuracy`, as fastai prints and as many loops do.)
    """
    split = {name: _TRAIN & set(_split(name)) for name in names}
    accuracies = {name for name in names if _score(name, "accuracy") is not None}
    if any(_score(name, "val_accuracy") is not None or (name in accuracies and split[name]) for name in names):
        return set()
    losses = [name for name in names if _score(name, "loss") is not None]
    halves = losses and all(split[name] for name in losses)
    return accuracies if halves and any(_score(name, "val_loss") is not None for name in names) else set()


def _finest(log: ScalarLog, names: Sequence[str]) -> list[str]:
    """Return the one with the most values: train_loss_step before train_loss_epoch."""
    return [max(names, key=lambda name: len(log.columns[name]))]


def _score(name: str, role: str) -> int | None:
    """How far a name is from a role's plain one, 0 best; None where it is something else. 10 and more: a part."""
    words = _split(name)
    kind, validation = set(words), role.startswith("val_")
    split = kind & (_VALIDATION | _TEST)
    if role == "lr":
        rate = "lr" in kind or {"learning", "rate"} <= kind
        return len(words) if rate and "loss" not in kind else None
    if role == "epoch":
        return 0 if words == ["epoch"] else None
    if bool(split) != validation or (split and kind & _TRAIN):
        return None
    late = 5 if split & _TEST and not split & _VALIDATION else 0
    rest = kind - _VALIDATION - _TEST - _TRAIN - _PLAIN
    if role.endswith("accuracy"):
        return late + len(words) if rest & _RIGHT and rest <= _ACCURACY else None
    if "loss" not in kind and words[-1:] != ["losses"]:
        named = next((one for one in _ALIASES if one <= rest), None)
        return late + 2 if named == rest else None
    extra = len(rest - {"loss"})
    return late if not extra else 10 + late


def _parts(names: Sequence[str]) -> bool:
    """Return True for Ultralytics' parts of one loss: train/box_loss, train/cls_loss, train/dfl_loss."""
    return all(re.fullmatch(r"train/\w+_loss", name) for name in names)


def _split(name: str) -> list[str]:
    """Return the words of a name in small letters: val/lossEpoch → val, loss, epoch."""
    apart = re.sub(r"([a-z0-9])([A-Z])", r"\1 \2", name)
    return [word for word in re.split(r"[^a-z0-9]+", apart.lower()) if word]


def _sum(columns: Sequence[dict[int, float]]) -> dict[int, float]:
    if len(columns) == 1:
        return columns[0]
    steps = set(columns[0]).intersection(*columns[1:])
    return {step: sum(column[step] for column in columns) for step in sorted(steps)}


def _some(names: Sequence[str], most: int = 12) -> str:
    more = f" and {len(names) - most:,} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more if names else "none"
