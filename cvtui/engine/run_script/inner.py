"""Forward passes of the module within DistributedDataParallel or DataParallel, beside those of the whole.

Evaluations often call it itself, as Lightning's do: gradients are none there that would have to be joined.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import nn


def inner_of(model: nn.Module) -> nn.Module:
    """Return the module within, else the model itself; Lightning leaves the outer one in evaluation mode."""
    return model.module if isinstance(model, nn.DataParallel | nn.parallel.DistributedDataParallel) else model


def follow_inner(model: nn.Module, before: Callable[..., None], after: Callable[..., None]) -> list[Any]:
    """Tell of the inner module's own passes as of the model's, but for those that train; return handles of hooks."""
    inner, within, told = inner_of(model), [False], [False]
    if inner is model:
        return []

    def outer_begins(_module: nn.Module, _args: Any) -> None:
        within[0] = True

    def outer_ends(_module: nn.Module, _args: Any, _output: Any) -> None:
        within[0] = False

    def begins(module: nn.Module, args: Any, kwargs: Any) -> None:
        told[0] = not (within[0] or (torch.is_grad_enabled() and module.training))
        if told[0]:
            before(module, args, kwargs)

    def ends(module: nn.Module, args: Any, kwargs: Any, output: Any) -> None:
        if told[0]:
            told[0] = False
            after(module, args, kwargs, output)

    return [
        model.register_forward_pre_hook(outer_begins, prepend=True),
        model.register_forward_hook(outer_ends, always_call=True),
        inner.register_forward_pre_hook(begins, prepend=True, with_kwargs=True),
        inner.register_forward_hook(ends, with_kwargs=True),
    ]
