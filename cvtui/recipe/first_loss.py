"""First loss of a classifier that knows nothing: the number to check a run's first loss against."""

from __future__ import annotations

from cvtui.errors import RequestError
from cvtui.recipe.choices.losses import LOSSES, FirstLoss, LossChoice
from cvtui.recipe.choices.spec import Chosen, parse_choice


def first_loss(loss: Chosen[LossChoice], classes: int) -> FirstLoss:
    """Return the loss of logits that are all 0."""
    return loss.spec.guess(loss.values, classes)


def first_loss_or_none(loss: object, classes: int) -> FirstLoss | None:
    """Return the same for the text of a log: None where nothing can be said; without a loss, as of cross-entropy."""
    if classes < 2:
        return None
    try:
        return first_loss(parse_choice(str(loss or "cross-entropy"), LOSSES, "loss"), classes)
    except RequestError:
        return None
