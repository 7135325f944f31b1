"""Weights as PyTorch's own layers draw them."""

from __future__ import annotations

import torch
from torch import nn


def own(net: nn.Module, generator: torch.Generator) -> None:
    """Let every layer draw its weights and biases as when it was made (`reset_parameters`).

    For a conv or fc: U(−1/sqrt(Din), 1/sqrt(Din)), PyTorch's default.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(int(torch.randint(1 << 62, (1,), generator=generator).item()))
        for module in net.modules():
            reset = getattr(module, "reset_parameters", None)
            if callable(reset):
                reset()
