"""How weights begin. Din is the fan-in, F²·C for a conv; biases begin at 0, norms at scale 1 and shift 0."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from cvtui.engine.model import Net
from cvtui.recipe.choices import INITS as CHOICES
from cvtui.recipe.choices import parse_choice

Init = Callable[..., None]
"""(weight, fan_in, generator, **parameters of the choice): fills the weight in place."""


def he(weight: Tensor, fan_in: int, generator: torch.Generator) -> None:
    """std = sqrt(2 / Din): keeps the variance through ReLU layers (He 2015; kaiming_normal_ of PyTorch)."""
    weight.normal_(0.0, math.sqrt(2.0 / fan_in), generator=generator)


def xavier(weight: Tensor, fan_in: int, generator: torch.Generator) -> None:
    """std = 1 / sqrt(Din), as the lecture has it (PyTorch's xavier_normal_ takes the fan-out in as well)."""
    weight.normal_(0.0, 1.0 / math.sqrt(fan_in), generator=generator)


def normal(weight: Tensor, fan_in: int, generator: torch.Generator, std: float) -> None:
    """One std for all layers."""
    weight.normal_(0.0, std, generator=generator)


INITS: dict[str, Init] = {"he": he, "xavier": xavier, "normal": normal}
"""By the names of `cvtui.recipe.choices.INITS`."""


@torch.no_grad()
def initialise(net: Net, text: str, generator: torch.Generator) -> None:
    """Fills every conv and fc of `net`, in order, as `text` says (`he`, `normal(0.01)`)."""
    choice, values = parse_choice(text, CHOICES, "init")
    layers: dict[str, Any] = net.layers()
    for row in net.table.rows:
        module = layers.get(row.name)
        if isinstance(module, nn.Conv2d | nn.Linear):
            INITS[choice.name](module.weight, row.fan_in, generator, **values)
            if module.bias is not None:
                module.bias.zero_()
