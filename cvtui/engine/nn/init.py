"""How weights begin: the table of ways, by name. Biases begin at 0, norms at scale 1 and shift 0."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize

from cvtui.engine.nn.inits.constant import constant, normal, uniform, zeros
from cvtui.engine.nn.inits.data_driven import data_dependent, lsuv
from cvtui.engine.nn.inits.fans import glorot, he, lecun, random_walk, xavier
from cvtui.engine.nn.inits.fixup import fixup
from cvtui.engine.nn.inits.layer import layers_of
from cvtui.engine.nn.inits.orthogonal import orthogonal
from cvtui.engine.nn.inits.own import own
from cvtui.errors import RequestError
from cvtui.recipe.choices.spec import Choice, Chosen

SPECTRAL_STEPS = 15
"""Looks in which spectral_norm finds the norm of weights that are new to it (as many as at its making)."""
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
    with _written_through(net):
        _fill(net, choice, generator, batch)


def _fill(net: nn.Module, choice: Chosen[Choice], generator: torch.Generator, batch: Tensor | None) -> None:
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


@contextmanager
def _written_through(net: nn.Module) -> Iterator[None]:
    """Let what is written into a weight reach the parameters that it is worked out from (weight_norm and its like).

    (PyTorch works such a weight out anew at each look: a write is lost without a word.) RequestError where it can't.
    """
    with parametrize.cached():
        yield
        written = [
            (layer, name, value)
            for layer in layers_of(net)
            for name in ("weight", "bias")
            if (value := getattr(layer.module, name)) is not None and not isinstance(value, nn.Parameter)
        ]
    for layer, name, value in written:
        try:
            _write_through(layer.module, name, value)
        except (RuntimeError, ValueError, NotImplementedError) as error:
            words = " ".join(str(error).split())
            raise RequestError(
                f"init: {name} of {layer.name!r} is worked out by what takes no values ({words[:80]})",
                hint="init 'own' keeps what the net's code draws",
            ) from None


def _write_through(module: nn.Module, name: str, value: Tensor) -> None:
    if not parametrize.is_parametrized(module, name):
        raise ValueError("a hook, as pruning has it")
    made: Any = module.parametrizations
    if any(type(one).__name__ == "_Orthogonal" for one in made[name]):  # which takes any values for orthonormal
        left, _, right = torch.linalg.svd(value, full_matrices=False)
        value = left @ right
    setattr(module, name, value)
    training = made[name].training
    made[name].train()
    for _ in range(SPECTRAL_STEPS):
        getattr(module, name)
    made[name].train(training)
