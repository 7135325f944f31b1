"""Copies of a model on the meta device: shapes without numbers, at no cost however large it is."""

from __future__ import annotations

import random
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.nn.parameter import UninitializedBuffer, UninitializedParameter

from cvtui.engine.runtime.model_tensors import copy_with, tensors_in


def meta_copy(model: nn.Module) -> nn.Module:
    """Make a deep copy in which every tensor has its shape but no numbers: even a huge model costs nothing."""
    memo: dict[int, Any] = {}
    for module in model.modules():
        held = [*module._parameters.values(), *module._buffers.values(), *tensors_in(vars(module))]
        for tensor in held:
            if tensor is not None and id(tensor) not in memo:
                memo[id(tensor)] = _meta(tensor)
    return copy_with(model, memo)


def _meta(tensor: Tensor) -> Tensor:
    lazy: Any = next((kind for kind in (UninitializedParameter, UninitializedBuffer) if isinstance(tensor, kind)), None)
    if lazy is not None:
        twin: Tensor = lazy(requires_grad=tensor.requires_grad, device="meta", dtype=tensor.dtype)
        return twin
    twin = torch.empty_strided(tensor.shape, tensor.stride(), dtype=tensor.dtype, device="meta")
    return nn.Parameter(twin, tensor.requires_grad) if isinstance(tensor, nn.Parameter) else twin


@contextmanager
def empty_parameters() -> Iterator[None]:
    """Every parameter that is registered in here moves to the meta device at once, so none is ever filled.

    `torch.device("meta")` would be simpler, but then builders can't calculate with tensors (RegNet's widths, the
    `linspace(…).tolist()` of stochastic depth).
    """
    register = nn.Module.register_parameter
    moved: dict[int, tuple[nn.Parameter, Tensor]] = {}  # with the original, whose id must not be given away

    def register_empty(self: nn.Module, name: str, param: nn.Parameter | None) -> None:
        if param is not None and not param.is_meta:
            _, twin = moved.setdefault(id(param), (param, _meta(param)))
            param = cast(nn.Parameter, twin)
        register(self, name, param)

    nn.Module.register_parameter = register_empty  # type: ignore[method-assign]
    try:
        yield
    finally:
        nn.Module.register_parameter = register  # type: ignore[method-assign]


@contextmanager
def random_state_kept() -> Iterator[None]:
    """Keep Python's, numpy's (where it is loaded: 3 MB) and torch's CPU generators as they are, whatever is drawn."""
    python, numpy = random.getstate(), sys.modules.get("numpy.random")
    drawn = numpy.get_state() if numpy else None
    with torch.random.fork_rng(devices=[]):
        try:
            yield
        finally:
            random.setstate(python)
            if numpy:
                numpy.set_state(drawn)
