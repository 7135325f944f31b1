"""Losses: what is minimised."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import NamedTuple

from cvtui.recipe.choices.spec import Choice, Parameter, Values, table_of


class FirstLoss(NamedTuple):
    """Loss of a classifier that knows nothing, whose logits are all 0."""

    value: float
    rule: str
    """In letters, C being the number of classes: "ln C"."""
    words: str
    """In numbers: "ln 10"."""


class LossChoice(Choice):
    guess: Callable[[Values, int], FirstLoss]
    """(parameters, number of classes) -> the loss of logits that are all 0."""


def _hinge_guess(values: Values, classes: int) -> FirstLoss:
    """Each of the C − 1 wrong classes misses by the margin."""
    margin = values["margin"]
    value = (classes - 1) * margin
    if margin == 1:
        return FirstLoss(value, "C − 1", f"{classes} − 1")
    return FirstLoss(value, f"(C − 1) · {margin:g}", f"({classes} − 1) · {margin:g}")


LOSSES = table_of(
    LossChoice(
        name="cross-entropy",
        summary="minus the log of the softmax probability of the true class",
        formula="L = −log(exp(s_y) / Σ exp(s_j))",
        guess=lambda _, classes: FirstLoss(math.log(classes), "ln C", f"ln {classes}"),
        parameters={
            "smoothing": Parameter(
                default=0, low=0, high=1, open_high=True, doc="share of the label spread over all classes"
            )
        },
    ),
    LossChoice(
        name="hinge",
        summary="by how much each wrong class comes within a margin of the true one (Weston & Watkins 1999)",
        formula="L = Σ_{j≠y} max(0, s_j − s_y + margin)",
        guess=_hinge_guess,
        parameters={
            "margin": Parameter(default=1, low=0, high=math.inf, open_low=True, doc="how far the true class must lead")
        },
    ),
    LossChoice(
        name="mse",
        summary="squared distance of the scores from 1 for the true class and 0 for the others",
        formula="L = 1/C Σ (s_j − [j = y])²",
        guess=lambda _, classes: FirstLoss(1 / classes, "1/C", f"1/{classes}"),
    ),
)
