"""Differences between the recipes of several runs, and their results."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from cvtui.runlog.folder import RunFolder
from cvtui.runlog.history import History
from cvtui.text import harmless

UNINTERESTING = frozenset({"name"})


@dataclass(frozen=True)
class RunOutcome:
    """One run, in numbers."""

    history: History
    state: str
    values: dict[str, str]
    """Its values of the fields that differ."""
    best_accuracy: float | None
    best_epoch: int | None
    val_loss: float | None
    """At the best epoch."""
    seconds: float

    @property
    def name(self) -> str:
        return harmless(self.history.folder.name)  # made by anybody


@dataclass(frozen=True)
class RunDifferences:
    fields: list[str]
    """The recipe's fields in which the runs differ."""
    outcomes: list[RunOutcome]
    """In the order asked for."""

    @property
    def best(self) -> RunOutcome | None:
        """The run of the highest validation accuracy."""
        return max(
            (outcome for outcome in self.outcomes if outcome.best_accuracy is not None),
            key=lambda outcome: outcome.best_accuracy or 0.0,
            default=None,
        )


def compare(folders: Sequence[RunFolder]) -> RunDifferences:
    """Read the runs whole and compare their recipes and results."""
    histories = [History(folder) for folder in folders]
    for history in histories:
        history.poll()
    return compared(histories)


def compared(histories: Sequence[History]) -> RunDifferences:
    """Compare histories that are polled already."""
    recipes = [_recipe(history) for history in histories]
    names = [name for recipe in recipes for name in recipe]
    fields = [
        name
        for name in dict.fromkeys(names)
        if name not in UNINTERESTING and len({str(recipe.get(name, "")) for recipe in recipes}) > 1
    ]
    outcomes = [
        _outcome(history, {name: _text(recipe.get(name, "")) for name in fields})
        for history, recipe in zip(histories, recipes, strict=True)
    ]
    return RunDifferences(fields, outcomes)


def _recipe(history: History) -> dict[str, Any]:
    """As it was asked for; `lr` is the rate that is trained at."""
    run = history.run
    if run is None:
        return {}
    return run.recipe if run.lr is None else {**run.recipe, "lr": run.lr}


def _text(value: object) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)


def _seconds(history: History) -> float:
    """Return how long it trained: up to its last epoch's end, of a loop without epochs to its last step."""
    seconds = history.steps.seconds
    last = float(seconds[-1]) if len(seconds) and math.isfinite(seconds[-1]) else 0.0
    return max(last, float(history.epochs[-1].seconds) if history.epochs else 0.0)


def _outcome(history: History, values: dict[str, str]) -> RunOutcome:
    measured = [epoch for epoch in history.epochs if epoch.val_accuracy is not None]
    best = max(measured, key=lambda epoch: epoch.val_accuracy or 0.0, default=None)
    return RunOutcome(
        history=history,
        state=history.state(),
        values=values,
        best_accuracy=best.val_accuracy if best else None,
        best_epoch=best.epoch if best else None,
        val_loss=best.val_loss if best else None,
        seconds=_seconds(history),
    )
