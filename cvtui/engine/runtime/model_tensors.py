"""Tensors that a model holds as plain attributes, and a deep copy that minds them."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping
from typing import Any, TypeVar

from torch import Tensor, nn

M = TypeVar("M", bound=nn.Module)


def deep_copy(model: M) -> M:
    """Make a deep copy also where hooks work weights out (`nn.utils.weight_norm`), which `copy.deepcopy` refuses.

    In the copy these are plain values until its first pass works them out anew. What can't be copied (a TorchScript
    function, a lock, an open file) is the same object in both.
    """
    made = {id(tensor): tensor.detach().clone() for tensor in attribute_tensors(model) if not tensor.is_leaf}
    return copy_with(model, made)


def copy_with(model: M, memo: Mapping[int, Any]) -> M:
    """Make a deep copy with these parts in place of the model's (by id); what can't be copied is the same in both."""
    try:
        return copy.deepcopy(model, dict(memo))
    except Exception:  # each kind raises its own
        return copy.deepcopy(model, {**memo, **_uncopied(model, memo)})


def _uncopied(model: nn.Module, memo: Mapping[int, Any]) -> dict[int, Any]:
    """Return the attributes of modules that can't be copied, by their ids."""
    found: dict[int, Any] = {}
    for module in model.modules():
        for name, value in vars(module).items():
            if name in ("_parameters", "_buffers", "_modules"):
                continue
            try:
                copy.deepcopy(value, dict(memo))
            except Exception:
                found[id(value)] = value
    return found


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
