"""What a recipe's options add to the memory that its optimiser takes (see cvtui.calc.memory)."""

from __future__ import annotations

from cvtui.recipe.choices.spec import parse_choice
from cvtui.recipe.choices.tables import OPTIMIZERS


def extra_copies(optimizer: str, ema: float) -> int:
    """Numbers kept per parameter besides those of the plain rule: amsgrad's maximum, rmsprop's velocity and mean, the
    running mean of the weights. RequestError for an optimizer that is not known."""
    _, values = parse_choice(optimizer, OPTIMIZERS, "optimizer")
    options = (values.get("amsgrad", 0) >= 0.5, "alpha" in values and values["momentum"] > 0,
               values.get("centred", 0) >= 0.5, ema > 0)  # fmt: skip
    return sum(options)
