"""The order of numbers in memory: channels last, which convolutions are faster with, where a net's code allows it."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.modules.conv import _ConvNd
from torch.overrides import TorchFunctionMode

from cvtui.engine.nn.meta_copy import random_state_kept
from cvtui.engine.runtime.model_tensors import deep_copy

_BY_ORDER = {
    Tensor.view, Tensor.view_as, Tensor.stride, Tensor.is_contiguous, Tensor.as_strided, Tensor.resize_, Tensor.numpy,
    Tensor.data_ptr, torch.as_strided, torch.view_as_complex, torch.view_as_real,
    nn.functional.multi_head_attention_forward,
}  # fmt: skip
"""Functions that ask how numbers lie, or refuse some orders."""


class OrderCalls(TorchFunctionMode):
    """Context that notes whether code called in it asks how the numbers of a tensor lie."""

    asked = False

    def __torch_function__(self, func: Any, _types: Any, args: Any = (), kwargs: Any = None) -> Any:
        self.asked = self.asked or func in _BY_ORDER
        return func(*args, **(kwargs or {}))


def keep_order(model: nn.Module, asked: bool, runs: Iterable[Callable[[nn.Module], object]]) -> None:
    """Have the model get its images in the usual order, where it fails on others: many a tutorial's code calls `view`.

    asked: its code asks how numbers lie. runs: forward passes of a copy on images in channels_last. (With numbers: a
    convolution on the meta device forgets the order of memory.)
    """
    if not asked and not _is_scripted(model):
        return
    twin = deep_copy(model)
    to_channels_last(twin)
    try:
        with random_state_kept():
            for run in runs:
                run(twin)
    except Exception:  # as it did not in the usual order
        model.register_forward_pre_hook(in_order)
    except SystemExit:
        return


def _is_scripted(model: nn.Module) -> bool:
    """Return True where TorchScript may call what is not seen here."""
    modules = {type(module).__module__ for module in model.modules()}
    code = [vars(sys.modules[name]) for name in modules if name in sys.modules and not name.startswith("torch.")]
    held = [vars(module) for module in model.modules()]
    return any(isinstance(value, torch.jit.ScriptFunction) for names in (*code, *held) for value in names.values())


def in_order(_module: nn.Module, inputs: tuple[Any, ...]) -> tuple[Any, ...]:
    """Lay images in the usual order of memory (a forward pre-hook, which copies of the model keep)."""
    # (not .contiguous(): images of one channel are so either way, but a convolution goes by their strides)
    return tuple(one.clone(memory_format=torch.contiguous_format) if isinstance(one, Tensor) else one for one in inputs)


in_order.part_of_model = True  # type: ignore[attr-defined]  # not one of the hooks that watch


def to_channels_last(model: nn.Module) -> None:
    """Lay the weights of 2-d convolutions as pictures lie in memory.

    Not all that has four axes, as `model.to(memory_format=…)` does: a filter of complex numbers, H x W x C x 2, is read
    by `view_as_complex`, which wants its last axis last.
    """
    if in_order in model._forward_pre_hooks.values():
        return
    for module in model.modules():
        if isinstance(module, _ConvNd):  # with what weight norm and its like make its weights of
            for tensor in module.parameters():
                if tensor.dim() == 4:
                    tensor.data = tensor.data.contiguous(memory_format=torch.channels_last)
