"""First loss of a classifier that knows nothing: the number to check a run's first loss against."""

from __future__ import annotations

from cvtui.errors import RequestError
from cvtui.recipe.choices.losses import LOSSES, FirstLoss
from cvtui.recipe.choices.spec import parse_choice


def first_loss(loss: str, classes: int) -> FirstLoss:
    """Return the loss of logits that are all 0, for a recipe's `loss`. RequestError for an unknown loss."""
    chosen = parse_choice(loss, LOSSES, "loss")
    return chosen.spec.guess(chosen.values, classes)


def first_loss_or_none(loss: object, classes: int) -> FirstLoss | None:
    """Return the same for the text of a log: None where nothing can be said; without a loss, as of cross-entropy."""
    if classes < 2:
        return None
    try:
        return first_loss(str(loss or "cross-entropy"), classes)
    except RequestError:
        return None
