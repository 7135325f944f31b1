"""Layers that a model keeps in a plain Python list, tuple or dict, where PyTorch does not find them."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import Any

from torch import nn

MOST = 20


def unlisted_modules(model: nn.Module, held: Collection[int]) -> list[str]:
    """Return names like `blocks[0]` of layers with parameters that neither the model nor an optimizer holds.

    held: ids of the parameters that the optimizers hold.
    """
    own = {id(p) for p in model.parameters()} | set(held)
    found = []
    for place, module in model.named_modules():
        for name, value in vars(module).items():
            if name.startswith("_") or not isinstance(value, list | tuple | dict | set):
                continue
            for key, layer in _modules(value):
                if any(id(p) not in own for p in layer.parameters()):
                    found.append(f"{place + '.' if place else ''}{name}[{key!r}]")
    return found[:MOST]


def _modules(value: Any) -> Iterator[tuple[Any, nn.Module]]:
    pairs = value.items() if isinstance(value, dict) else enumerate(value)
    yield from ((key, one) for key, one in pairs if isinstance(one, nn.Module))
