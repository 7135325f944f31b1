"""Weights that begin the same way in every layer, whatever its size."""

from __future__ import annotations

import torch

from cvtui.engine.nn.inits.layer import LayerInit


def normal(layer: LayerInit, generator: torch.Generator, std: float = 0.01) -> None:
    """W ~ N(0, std²): one std for all layers (nn.init.normal_).

    0.01 is AlexNet's, and the lecture's first try, which dies out in a deep net.
    """
    layer.weight.normal_(0.0, std, generator=generator)


def uniform(layer: LayerInit, generator: torch.Generator, a: float = 0.05) -> None:
    """W ~ U(−a, a): one range for all layers; std = a / sqrt(3). 0.05 is Keras's RandomUniform (nn.init.uniform_)."""
    layer.weight.uniform_(-a, a, generator=generator)


def zeros(layer: LayerInit, _generator: torch.Generator) -> None:
    """W = 0, to show why not: every unit gives 0, and no gradient passes a layer of zeros (nn.init.zeros_)."""
    layer.weight.zero_()


def constant(layer: LayerInit, _generator: torch.Generator, value: float = 0.01) -> None:
    """W = value, to show why not: all units of a layer stay alike (nn.init.constant_).

    They compute the same, get the same gradient, and so stay the same unit for ever.
    """
    layer.weight.fill_(value)
