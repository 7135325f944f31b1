"""Validations that are divided by another number than that of their images, by what losses and counts rule out."""

from __future__ import annotations

import math

from cvtui.doctor.curves import learnt
from cvtui.doctor.learning import beyond
from cvtui.doctor.observations import Observations
from cvtui.doctor.registry import RuleResult, limit, percent
from cvtui.runlog.events import EpochDone

PLAIN = ("cross-entropy", "binary cross-entropy", "binary cross-entropy with logits")
"""Losses that are a mean of −log p of the right answer."""


def too_low_a_loss(obs: Observations) -> RuleResult | None:
    """Find validation losses that are lower than their wrong answers alone cost, far below those of training.

    A wrong answer has a probability of a half at most, and costs ln 2 at least.
    """
    bad = []
    for epoch in obs.epochs:
        told, loss, trained = epoch.val_accuracy, epoch.val_loss, epoch.train_loss
        if told is None or loss is None or trained is None or not 0 <= told <= 1:
            return None
        if 0 < loss < limit("F70", "least") * (1 - told) * math.log(2) and loss < limit("F70", "share") * trained:
            bad.append(epoch)
    if obs.facts.loss_value not in PLAIN or len(bad) < limit("F70", "low"):
        return None
    worst = bad[0]
    told, loss = worst.val_accuracy or 0.0, worst.val_loss or 0.0
    return RuleResult(
        f"After epoch {worst.epoch:,} {percent(1 - told)} of the validation images are wrong, which costs "
        f"{(1 - told) * math.log(2):.3g} at least (ln 2 each), and a loss of {loss:.3g} is told (training "
        f"{worst.train_loss:.3g}): it is divided by more than the number of these images.",
        step=worst.step,
        value=loss,
        threshold=(1 - told) * math.log(2),
        evidence=f"validation loss {loss:.3g}, where wrong answers alone cost {(1 - told) * math.log(2):.3g}",
        advice="Divide the sum by the number of validation images that were seen.",
    )


def of_training_images(obs: Observations) -> RuleResult | None:
    """Find validation accuracies that stop at exactly validation's share of training's images.

    (A net that gives one class to all is right in a fixed share too: its loss is a guess's.)
    """
    facts = obs.facts
    images = facts.train or (facts.distinct_images or (0, 0))[1]
    validated = facts.evaluated or facts.validation or 0
    told = [epoch.val_accuracy for epoch in obs.epochs if epoch.val_accuracy is not None]
    if not images or not 0 < validated < limit("F49", "fewer") * images or len(told) < limit("F49", "epochs"):
        return None
    ceiling, right = validated / images, obs.epochs[-1].train_accuracy or 0.0
    exact = [epoch for epoch in obs.epochs if abs((epoch.val_accuracy or 0.0) - ceiling) < 1e-4]
    if not all(_may_be_right(obs, epoch, ceiling) for epoch in exact):
        return None
    if len(exact) < limit("F49", "epochs") or max(told) > ceiling + 1e-4 or right < ceiling + limit("F49", "shares"):
        return None
    return RuleResult(
        f"The validation accuracy that is told is never above {ceiling:.3g} and just that in {len(exact):,} epochs: "
        f"{validated:,} validation images of {images:,} that are trained on. All of them right, divided by training's "
        "number of images?",
        step=obs.epochs[-1].step,
        value=max(told),
        threshold=ceiling,
        evidence=f"validation accuracy {max(told):.4g} = {validated:,} / {images:,}",
    )


def _may_be_right(obs: Observations, epoch: EpochDone, told: float) -> bool:
    """Return True if all answers may be right by the validation loss; without one, if no guess is right so often."""
    if epoch.val_loss is not None and obs.guess:
        return learnt(epoch.val_loss, obs.guess)
    return abs(told - beyond(obs, 0)) > limit("F49", "apart")
