"""Weights that turn what comes in, and change none of its lengths."""

from __future__ import annotations

import torch
from torch import Tensor

from cvtui.engine.nn.inits.layer import LayerInit


def orthogonal(layer: LayerInit, generator: torch.Generator, gain: float = 1) -> None:
    """Draw W, a matrix of units x Din, with W Wᵀ = gain² I (Saxe 2013; orthogonal_).

    Wᵀ W = gain² I where there are more units than inputs. The groups of a conv are matrices of their own.
    """
    weight = layer.weight
    groups = getattr(layer.module, "groups", 1)
    units = weight.shape[0] // groups
    for group in range(groups):
        part = weight[group * units : (group + 1) * units]
        part.copy_(orthogonal_matrix(units, layer.fan_in, generator).mul_(gain).view_as(part))


def orthogonal_matrix(rows: int, columns: int, generator: torch.Generator) -> Tensor:
    """Draw a matrix evenly from all with orthonormal rows (or columns, the fewer of the two); float32.

    Q of a normal matrix, its columns' signs such that R's diagonal is positive (Mezzadri 2007).
    """
    tall, wide = max(rows, columns), min(rows, columns)
    q, r = torch.linalg.qr(torch.randn(tall, wide, generator=generator))
    signed: Tensor = q * torch.where(r.diagonal() < 0, -1.0, 1.0)
    return signed if rows >= columns else signed.T.contiguous()
