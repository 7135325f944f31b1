"""The lottery ticket's rounds beside each other: how many weights are left, what they reach, whether the promise holds.

Frankle & Carbin 2019: a dense net holds a part, a tenth to a fifth of its weights, that trained alone *from the same
first weights* reaches at least its accuracy in at most its steps; with newly drawn weights the same part does not.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from cvtui.calc import Conv, Linear, Table
from cvtui.draw.figures import Curve, Curves
from cvtui.runlog.history import History
from cvtui.runlog.lottery_note import Kind, Scope, left_after

PROMISE = (
    "Frankle & Carbin 2019 promise: a part of the net (in the paper down to a fifth or a tenth of its weights) reaches "
    "the whole net's accuracy when it starts from the same first weights, and less when its weights are drawn anew."
)


@dataclass(frozen=True)
class LotteryRound:
    """One run of a lottery."""

    round: int
    kind: Kind
    left: float
    """Share of the weights that are left, 0..1."""
    name: str
    """Its folder's."""
    state: str
    accuracy: float | None
    """The best validation accuracy."""
    best_epoch: int | None
    val_loss: float | None
    """The lowest of all epochs."""
    loss_epoch: int | None
    """The epoch of that: where the paper would stop early, its measure of how fast a net learns."""


def trial_of(number: int, kind: Kind, left: float, history: History) -> LotteryRound:
    """Summarise one run of the lottery."""
    measured = [epoch for epoch in history.epochs if epoch.val_accuracy is not None]
    best = max(measured, key=lambda epoch: epoch.val_accuracy or 0.0, default=None)
    losses = [epoch for epoch in history.epochs if epoch.val_loss is not None]
    lowest = min(losses, key=lambda epoch: epoch.val_loss or 0.0, default=None)
    return LotteryRound(
        round=number,
        kind=kind,
        left=left,
        name=history.folder.name,
        state=history.state(),
        accuracy=best.val_accuracy if best else None,
        best_epoch=best.epoch if best else None,
        val_loss=lowest.val_loss if lowest else None,
        loss_epoch=lowest.epoch if lowest else None,
    )


def shares_left(table: Table, prune: float, scope: Scope, rounds: int) -> list[float]:
    """Return the share of conv and fc weights left in each round; round 0 (all of them) first."""
    weights = {row.name: row.weights for row in table.rows if isinstance(row.node, Conv | Linear)}
    alive, total = dict(weights), sum(weights.values())
    shares = [1.0]
    for _ in range(rounds):
        alive = left_after(alive, prune, scope)
        shares.append(sum(alive.values()) / total if total else 1.0)
    return shares


@dataclass(frozen=True)
class Judgement:
    """Decide whether the promise holds here."""

    holds: bool | None
    """None where the runs can't tell: too few weights pruned, no control, or differences within the noise."""
    sentence: str
    best: LotteryRound | None
    """The sparsest ticket that is as good as the dense net, within the noise."""


def judge_lottery(trials: Sequence[LotteryRound], validation: int) -> Judgement:
    """From all trials, and the number of validation images (which says how far accuracies differ by chance alone).

    Holds: a ticket with at most half of the weights is as good as the dense net, and better than each control of its
    round by more than the noise. Fails: no ticket with at most half is. The noise is one standard deviation of a share
    of so many images.
    """
    dense = next((trial for trial in trials if trial.kind == "dense"), None)
    tickets = [trial for trial in trials if trial.kind == "ticket" and trial.accuracy is not None]
    if dense is None or dense.accuracy is None or not tickets:
        return Judgement(None, "There is nothing to compare: no ticket was trained to an accuracy.", None)
    noise = math.sqrt(max(dense.accuracy * (1 - dense.accuracy), 1 / max(validation, 1)) / max(validation, 1))
    good = [trial for trial in tickets if (trial.accuracy or 0.0) >= dense.accuracy - noise]
    best = min(good, key=lambda trial: trial.left, default=None)
    whole = f"all weights reach {dense.accuracy:.2%}"
    margin = f"(differences below {noise:.2%} are chance)"
    if best is None or best.left > 0.5:
        sparsest = min(tickets, key=lambda trial: trial.left)
        if sparsest.left > 0.5:
            return Judgement(None, f"Too few weights were pruned to tell: {sparsest.left:.0%} are left.", best)
        return Judgement(False, f"No ticket with half of the weights or less is as good: {whole} {margin}.", best)
    controls = [
        trial for trial in trials
        if trial.round == best.round and trial.kind in ("reinit", "random-mask") and trial.accuracy is not None
    ]  # fmt: skip
    found = f"{best.left:.1%} of the weights reach {best.accuracy:.2%}, {whole}"
    if not controls:
        return Judgement(None, f"{found}; without a control what the first weights contributed is unknown.", best)
    words = ", ".join(f"{NAMES[trial.kind]} {trial.accuracy:.2%}" for trial in controls)
    ahead = all((best.accuracy or 0.0) - (trial.accuracy or 0.0) > noise for trial in controls)
    return Judgement(True if ahead else None, f"{found}; {words} {margin}.", best)


NAMES: dict[str, str] = {
    "dense": "all weights",
    "ticket": "ticket",
    "reinit": "drawn anew",
    "random-mask": "random mask",
}


def figure(trials: Sequence[LotteryRound]) -> Curves:
    """Sparsity against the best validation accuracy, one curve a kind; the dense net's accuracy as a level."""
    dense = [trial for trial in trials if trial.kind == "dense"]
    curves: list[Curve] = []
    for kind in ("ticket", "reinit", "random-mask"):
        own = [trial for trial in trials if trial.kind == kind]
        if own:
            curves.append(Curve(name=NAMES[kind], x=_sparsity([*dense, *own]), y=_percent([*dense, *own])))
    most = max(_sparsity(trials), default=0.0)
    if dense and dense[0].accuracy is not None:
        level = _percent(dense)[0]
        curves.append(Curve(name=NAMES["dense"], x=[0.0, most], y=[level, level], dim=True))
    return Curves(title="Best validation accuracy, %", x_label="weights pruned, %", y_label="accuracy", curves=curves)


def _sparsity(trials: Sequence[LotteryRound]) -> list[float]:
    return [round(100 * (1 - trial.left), 2) for trial in trials]


def _percent(trials: Sequence[LotteryRound]) -> list[float | None]:
    return [None if trial.accuracy is None else round(100 * trial.accuracy, 2) for trial in trials]


def as_json(trials: Sequence[LotteryRound], judgement: Judgement) -> dict[str, Any]:
    """`{"promise", "holds", "sentence", "best", "runs": [{round, kind, left, sparsity, name, state, …}]}`."""
    return {
        "promise": PROMISE,
        "holds": judgement.holds,
        "sentence": judgement.sentence,
        "best": judgement.best.name if judgement.best else None,
        "runs": [
            {
                "round": trial.round,
                "kind": trial.kind,
                "left": round(trial.left, 6),
                "sparsity": round(1 - trial.left, 6),
                "name": trial.name,
                "state": trial.state,
                "best_val_accuracy": trial.accuracy,
                "best_epoch": trial.best_epoch,
                "val_loss": trial.val_loss,
                "val_loss_epoch": trial.loss_epoch,
            }
            for trial in trials
        ],
    }
