"""Find linear layers with no nonlinearity between them, and the order of modules, in one forward pass.

Seen on the tensors themselves, so that a `torch.relu` in a model's own `forward` counts as what it is.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch
from torch import Tensor, nn
from torch.multiprocessing.reductions import StorageWeakRef

from cvtui.engine.observe.forward_hooks import Handle, forward_hooks
from cvtui.engine.observe.layer_kinds import is_leaf, plain_name
from cvtui.engine.observe.shards import class_name
from cvtui.engine.observe.statistics import moments
from cvtui.runlog.events import ModuleFact
from cvtui.text import rounded_or_none

LINEAR = (nn.Linear, nn.Conv1d, nn.Conv2d, nn.Conv3d)
PASSING = (
    nn.modules.batchnorm._BatchNorm, nn.modules.dropout._DropoutNd, nn.Flatten, nn.Identity, nn.Unflatten,
    nn.AvgPool2d, nn.AdaptiveAvgPool2d,
)  # fmt: skip
"""Linear maps themselves (a norm in evaluation): what goes through them is still linear in what came in."""
OPTIONS = ("p", "momentum", "eps", "in_features", "out_features", "in_channels", "out_channels", "num_features")
MOST = 400
SECONDS = 0.5


class LinearPairs:
    """Hooks on every module without children, for one forward pass with gradients."""

    def __init__(
        self, model: nn.Module, within_memory: Callable[[], AbstractContextManager[None]] = nullcontext
    ) -> None:
        self.model, self._within_memory = model, within_memory
        self._first: list[Tensor] | None = None
        """Moments of what came to the first layer with parameters, where that were numbers."""
        self._pairs: list[list[str]] = []
        self._order: list[tuple[str, nn.Module]] = []
        self._names: set[str] = set()
        self._from: dict[tuple[int, int], tuple[str, StorageWeakRef]] = {}
        """The reference tells whether the tensor's memory is still its own. (To keep the tensors themselves would hold
        every output of the first step.)"""
        self._handles: list[Handle] = []
        self._over = False
        self._until = 0.0
        self._ran = False
        """The model's own forward ran: else its children are nets that the loop calls one by one."""

    def hook(self) -> None:
        hooks = forward_hooks(self.model)
        leaves = [(name, module) for name, module in self.model.named_modules() if is_leaf(module)]
        for name, module in leaves[:MOST]:
            if module is not self.model:
                self._handles.append(hooks.before(module, self._entering(plain_name(name)), inside=False))
                self._handles.append(hooks.after(module, self._leaving(plain_name(name)), inside=False))

    def close(self) -> None:
        for handle in self._handles:
            handle.remove()
        self._handles.clear()
        self._from.clear()

    def _source(self, tensors: Any) -> str | None:
        """Name of the linear layer that the first tensor comes from with nothing between."""
        tensor = next((value for value in tensors if isinstance(value, Tensor)), None)
        origin = self._from.get(_key(tensor)) if tensor is not None else None
        return origin[0] if origin is not None and not origin[1].expired() else None  # type: ignore[no-untyped-call]

    def forward_done(self) -> None:
        """Let go of what was kept of the model's forward pass."""
        self._ran = True
        if self._order and torch.is_grad_enabled():
            self._over = True
            self._from.clear()

    @property
    def pairs(self) -> list[list[str]]:
        """[first, second] linear layers; not of two nets that the loop calls one after the other."""
        if self._ran:
            return self._pairs
        return [pair for pair in self._pairs if pair[0].partition(".")[0] == pair[1].partition(".")[0]]

    def modules(self) -> list[ModuleFact]:
        """Modules in the order of the pass; in that of the model, where no pass was seen."""
        order = self._order or [
            (plain_name(name), module) for name, module in self.model.named_modules() if is_leaf(module) and name
        ]
        return [
            ModuleFact(name=name, kind=class_name(module), options=_options(module)) for name, module in order[:MOST]
        ]

    def _looking(self) -> bool:
        return not self._over and torch.is_grad_enabled()

    def _entering(self, name: str) -> Any:
        def enter(module: nn.Module, inputs: Any) -> None:
            if not self._looking():
                return
            now = time.perf_counter()
            if not self._order:
                self._until = now + SECONDS
            if now > self._until:  # a model that calls its modules ten thousand times
                self._over = True
                return
            if name not in self._names:
                self._names.add(name)
                self._order.append((name, module))
            if self._first is None and next(module.parameters(recurse=False), None) is not None:
                self._take_first(inputs)
            source = self._source(inputs)
            if source is not None and isinstance(module, LINEAR) and [source, name] not in self._pairs:
                self._pairs.append([source, name])

        return enter

    def _take_first(self, inputs: Any) -> None:
        self._first = []
        if inputs and isinstance(inputs[0], Tensor) and inputs[0].is_floating_point() and inputs[0].numel():
            with torch.no_grad(), self._within_memory():
                self._first = [moments(inputs[0].detach())[:2]]

    def first_layer(self) -> dict[str, Any]:
        """Return the fields about what came to the first layer with parameters; {} where it is not known."""
        if not self._ran or not self._first:
            return {}
        mean, std = self._first[0].tolist()
        self._first = []
        return {"first_layer_mean": rounded_or_none(mean, 6), "first_layer_std": rounded_or_none(std, 6)}

    def _leaving(self, name: str) -> Any:
        def leave(module: nn.Module, inputs: Any, output: Any) -> None:
            if not self._looking() or not isinstance(output, Tensor):
                return
            if isinstance(module, LINEAR):
                source: str | None = name
            else:
                source = self._source(inputs) if isinstance(module, PASSING) else None
            if source is not None:
                self._from[_key(output)] = source, StorageWeakRef(output.untyped_storage())  # type: ignore[no-untyped-call]
            else:
                self._from.pop(_key(output), None)

        return leave


def _key(tensor: Tensor) -> tuple[int, int]:
    """Memory address and version: a view shares the address, writing in place counts the version up."""
    return tensor.data_ptr(), tensor._version


def _options(module: nn.Module) -> dict[str, float]:
    options = {}
    for name in OPTIONS:
        value = getattr(module, name, None)
        if isinstance(value, int | float) and not isinstance(value, bool):
            options[name] = float(value)
    if getattr(module, "track_running_stats", True) is False:
        options["momentum"] = 0.0
    return options
