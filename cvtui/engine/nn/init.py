"""How weights begin: the table of ways, by name. Biases begin at 0, norms at scale 1 and shift 0."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

from cvtui.engine.nn.inits.constant import constant, normal, uniform, zeros
from cvtui.engine.nn.inits.data_driven import data_dependent, lsuv
from cvtui.engine.nn.inits.fans import glorot, he, lecun, random_walk, xavier
from cvtui.engine.nn.inits.fixup import fixup
from cvtui.engine.nn.inits.layer import layers_of
from cvtui.engine.nn.inits.orthogonal import orthogonal
from cvtui.engine.nn.inits.own import own
from cvtui.recipe.choices.spec import Choice, Chosen

LAYERS: dict[str, Callable[..., None]] = {
    "normal": normal,
    "uniform": uniform,
    "xavier": xavier,
    "glorot": glorot,
    "he": he,
    "lecun": lecun,
    "orthogonal": orthogonal,
    "random-walk": random_walk,
    "zeros": zeros,
    "constant": constant,
}
"""(layer, generator, **parameters of the choice): each fills one layer's weights."""

NETS: dict[str, Callable[..., None]] = {"fixup": fixup, "own": own}
"""(net, generator, **parameters): fills all layers, whose biases are 0 already."""

MEASURED: dict[str, Callable[..., None]] = {"lsuv": lsuv, "data-dependent": data_dependent}
"""(net, generator, batch, **parameters): fills all layers, biases too, and looks at a real batch for it."""

INITS: dict[str, Callable[..., None]] = {**LAYERS, **NETS, **MEASURED}
"""By the names of `cvtui.recipe.choices.inits.INITS`."""


def needs_batch(choice: Chosen[Choice]) -> bool:
    """Return True if this initialisation looks at real images."""
    return choice.name in MEASURED


@torch.no_grad()
def initialise(net: nn.Module, choice: Chosen[Choice], generator: torch.Generator, batch: Tensor | None = None) -> None:
    """Fill every conv and fc of `net`, in order, as the choice says (`he`, `normal(0.01)`).

    batch: preprocessed images N x C x H x W on the net's device, for `lsuv` and `data-dependent` (see `needs_batch`;
    ValueError without it).
    """
    values = choice.values
    for layer in layers_of(net):
        if layer.module.bias is not None:
            layer.module.bias.zero_()
    if choice.name in LAYERS:
        for layer in layers_of(net):
            LAYERS[choice.name](layer, generator, **values)
    elif choice.name in NETS:
        NETS[choice.name](net, generator, **values)
    elif batch is None:
        raise ValueError(f"{choice.name} looks at a real batch, and was given none")
    else:
        MEASURED[choice.name](net, generator, batch, **values)
