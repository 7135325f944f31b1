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
    several: bool = False
    """Takes pictures that are in any number of classes."""
    soft: bool = True
    """Takes labels with shares of several classes, as mixed images have."""


def _hinge_guess(values: Values, classes: int) -> FirstLoss:
    """Each of the C − 1 wrong classes misses by the margin."""
    margin = values["margin"]
    value = (classes - 1) * margin
    if margin == 1:
        return FirstLoss(value, "C − 1", f"{classes} − 1")
    return FirstLoss(value, f"(C − 1) · {margin:g}", f"({classes} − 1) · {margin:g}")


def _focal_guess(values: Values, classes: int) -> FirstLoss:
    gamma = values["gamma"]
    value = (1 - 1 / classes) ** gamma * math.log(classes)
    return FirstLoss(value, f"(1 − 1/C)^{gamma:g} · ln C", f"(1 − 1/{classes})^{gamma:g} · ln {classes}")


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
        soft=False,
        parameters={
            "margin": Parameter(default=1, low=0, high=math.inf, open_low=True, doc="how far the true class must lead")
        },
    ),
    LossChoice(
        name="focal",
        summary="cross-entropy that counts images less that are right already (Lin 2017)",
        formula="L = −(1 − p_y)^gamma log p_y, p the softmax",
        guess=_focal_guess,
        parameters={"gamma": Parameter(default=2, low=0, high=10, doc="0 is cross-entropy")},
    ),
    LossChoice(
        name="bce",
        summary="a yes or no for each class by itself; pictures may be in several classes",
        formula="L = 1/C Σ −t_j log σ(s_j) − (1 − t_j) log(1 − σ(s_j))",
        guess=lambda _values, _classes: FirstLoss(math.log(2), "ln 2", "ln 2"),
        several=True,
    ),
    LossChoice(
        name="mse",
        summary="squared distance of the scores from 1 for the true class and 0 for the others",
        formula="L = 1/C Σ (s_j − [j = y])²",
        guess=lambda _, classes: FirstLoss(1 / classes, "1/C", f"1/{classes}"),
    ),
)
