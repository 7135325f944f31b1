"""Tensors that a model holds as plain attributes, and a deep copy that minds them."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import Any, TypeVar

from torch import Tensor, nn

M = TypeVar("M", bound=nn.Module)


def deep_copy(model: M) -> M:
    """Make a deep copy also where hooks work weights out (`nn.utils.weight_norm`), which `copy.deepcopy` refuses.

    In the copy these are plain values until its first pass works them out anew.
    """
    made = (tensor for tensor in attribute_tensors(model) if not tensor.is_leaf)
    return copy.deepcopy(model, {id(tensor): tensor.detach().clone() for tensor in made})


def attribute_tensors(model: nn.Module) -> Iterator[Tensor]:
    """Tensors of a model that are neither parameters nor buffers, but plain attributes of its modules."""
    for module in model.modules():
        yield from tensors_in(vars(module))


def tensors_in(attributes: dict[str, Any]) -> Iterator[Tensor]:
    """Tensors that are plain attributes, by themselves or in a list, tuple or dict."""
    for name, value in attributes.items():
        if name.startswith("_") and name in ("_parameters", "_buffers", "_modules"):
            continue
        inside = value.values() if isinstance(value, dict) else value if isinstance(value, list | tuple) else (value,)
        yield from (one for one in inside if isinstance(one, Tensor))
