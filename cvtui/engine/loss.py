"""What is minimised: from logits N x classes and labels N to the batch's mean loss."""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor
from torch.nn import functional

from cvtui.recipe.choices import LOSSES as CHOICES
from cvtui.recipe.choices import parse_choice

Loss = Callable[[Tensor, Tensor], Tensor]


def cross_entropy() -> Loss:
    """−log softmax(s)_y, in one step and so without overflow (PyTorch's cross_entropy)."""
    return functional.cross_entropy


LOSSES: dict[str, Callable[..., Loss]] = {"cross-entropy": cross_entropy}
"""By the names of `cvtui.recipe.choices.LOSSES`: called with the choice's parameters, gives the loss."""


def make_loss(text: str) -> Loss:
    """The loss of a recipe's text."""
    choice, values = parse_choice(text, CHOICES, "loss")
    return LOSSES[choice.name](**values)
