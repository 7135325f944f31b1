"""Weights whose spread follows from the layer's size, so that a signal keeps its variance on its way."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from cvtui.engine.nn.inits.layer import LayerInit

RELU_LIKE = frozenset({"relu", "leakyrelu", "gelu", "silu"})
"""About half of what comes in gets through."""


def he_std(fan: int, slope: float = 0.0) -> float:
    """sqrt(2 / (1 + slope²) / fan)."""
    return math.sqrt(2.0 / ((1 + slope * slope) * fan))


def xavier_std(fan_in: int) -> float:
    """1 / sqrt(Din)."""
    return 1.0 / math.sqrt(fan_in)


def he(layer: LayerInit, generator: torch.Generator, slope: float = 0, fan_out: float = 0) -> None:
    """Keep the variance through ReLU layers: std = sqrt(2 / (1 + slope²) / Din) (He 2015; kaiming_normal_).

    slope: of a leaky ReLU. fan_out 1 (from 0.5 on): Dout for Din, which keeps the gradient's variance instead.
    """
    fan = layer.fan_out if fan_out >= 0.5 else layer.fan_in
    layer.weight.normal_(0.0, he_std(fan, slope), generator=generator)


def xavier(layer: LayerInit, generator: torch.Generator) -> None:
    """Draw with std = 1 / sqrt(Din), as the lecture has it.

    (PyTorch's xavier_normal_ takes the fan-out in as well: `glorot`.)
    """
    layer.weight.normal_(0.0, xavier_std(layer.fan_in), generator=generator)


def glorot(layer: LayerInit, generator: torch.Generator, uniform: float = 0) -> None:
    """Draw with std = sqrt(2 / (Din + Dout)) (Glorot 2010, eq. 12 and 16; xavier_normal_).

    The mean of what the variance of the signal and of the gradient ask for. uniform=1: U(−a, a), a = sqrt(6 / (Din +
    Dout)) (xavier_uniform_).
    """
    _draw(layer.weight, math.sqrt(2.0 / (layer.fan_in + layer.fan_out)), uniform, generator)


def lecun(layer: LayerInit, generator: torch.Generator, uniform: float = 0) -> None:
    """Keep the variance of a linear layer: std = sqrt(1 / Din) (LeCun 1998, "Efficient BackProp", eq. 16).

    The formula that the lecture calls Xavier. uniform=1: U(−a, a) with a = sqrt(3 / Din).
    """
    _draw(layer.weight, math.sqrt(1.0 / layer.fan_in), uniform, generator)


def random_walk(layer: LayerInit, generator: torch.Generator) -> None:
    """Draw with std = g / sqrt(Din): the gradient's length does not drift (Sussillo & Abbott 2014).

    Its logarithm is a random walk from layer to layer; g is such that it has no drift: see `random_walk_gain`.
    """
    gain = random_walk_gain(layer.fan_in, layer.activation)
    layer.weight.normal_(0.0, gain / math.sqrt(layer.fan_in), generator=generator)


def random_walk_gain(fan_in: int, activation: str) -> float:
    """Return the paper's g for layers of N = fan_in.

    Before a ReLU sqrt(2) · exp(1.2 / (max(N, 6) − 2.4)), for a linear layer exp(1 / (2 N)).

    For tanh and sigmoid it has no formula: they take the linear one, which is right where they are still straight.
    """
    if activation in RELU_LIKE:
        return math.sqrt(2.0) * math.exp(1.2 / (max(fan_in, 6) - 2.4))
    return math.exp(1.0 / (2.0 * fan_in))


def _draw(weight: Tensor, std: float, uniform: float, generator: torch.Generator) -> None:
    """Mean 0 and this std; evenly from −sqrt(3) std to sqrt(3) std where `uniform` is 1 (from 0.5 on)."""
    if uniform >= 0.5:
        bound = math.sqrt(3.0) * std
        weight.uniform_(-bound, bound, generator=generator)
    else:
        weight.normal_(0.0, std, generator=generator)
