"""What a classifier loses that knows nothing: the number to check a run's first loss against."""

from __future__ import annotations

import math
from typing import NamedTuple

from cvtui.errors import RequestError
from cvtui.recipe.choices.spec import parse_choice
from cvtui.recipe.choices.tables import LOSSES


class FirstLoss(NamedTuple):
    value: float
    rule: str
    """In letters, C being the number of classes: "ln C"."""
    words: str
    """In numbers: "ln 10"."""


def first_loss(loss: str, classes: int) -> FirstLoss:
    """The loss of logits that are all 0, for a recipe's `loss`. RequestError for an unknown loss.

    Cross-entropy: −log(1/C), whatever the smoothing. Hinge: each of the C − 1 wrong classes misses by the margin. Mean
    squared error: the 1 of the true class, over C.
    """
    choice, values = parse_choice(loss, LOSSES, "loss")
    match choice.name:
        case "hinge":
            margin = values["margin"]
            value = (classes - 1) * margin
            if margin == 1:
                return FirstLoss(value, "C − 1", f"{classes} − 1")
            return FirstLoss(value, f"(C − 1) · {margin:g}", f"({classes} − 1) · {margin:g}")
        case "mse":
            return FirstLoss(1 / classes, "1/C", f"1/{classes}")
        case _:
            return FirstLoss(math.log(classes), "ln C", f"ln {classes}")


def first_loss_or_none(loss: object, classes: int) -> FirstLoss | None:
    """The same of whatever stands in a log: None where nothing can be said; without a loss, as of a cross-entropy."""
    if classes < 2:
        return None
    try:
        return first_loss(str(loss or "cross-entropy"), classes)
    except RequestError:
        return None
