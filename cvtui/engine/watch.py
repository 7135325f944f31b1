"""Looks at every layer at every Nth step: hooks that are there for that one step and come off in `finally`.

Nothing is read back on the step itself: the numbers stay on their device until `take`. Watching changes no bit of the
training: it reads outputs and weights, draws no random numbers and leaves mode and buffers alone.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from cvtui.engine.statistics import BINS, alive_channels, flat_view, histogram, moments, saturated
from cvtui.runlog.events import Histogram, LayersSampled, LayerStats

KINDS: dict[type[nn.Module], str] = {
    nn.Conv2d: "conv",
    nn.Linear: "fc",
    nn.ReLU: "relu",
    nn.LeakyReLU: "leakyrelu",
    nn.Tanh: "tanh",
    nn.Sigmoid: "sigmoid",
    nn.GELU: "gelu",
    nn.SiLU: "silu",
    nn.ELU: "elu",
}
"""The modules that are watched, and what a record calls them."""

FREE_SAMPLES = 100
"""So many samples are taken at exactly every Nth step. Later ones, still at multiples of N, also keep a distance in
time: a quarter of a second, so that the log of a long run grows slowly, and 50 times what the last sample took, so
that watching costs at most 2 %. This moves no loss: what is sampled changes no bit of the training."""
SECONDS_APART = 0.25
COSTS_APART = 50.0

DEAD_WINDOW = 5
"""A channel is dead when it was 0 for every image of so many samples."""


def watched_layers(model: nn.Module) -> dict[str, tuple[str, nn.Module]]:
    """name -> (kind, module) of every conv, fc and activation, in the model's order."""
    found = {}
    for name, module in model.named_modules():
        kind = next((word for base, word in KINDS.items() if isinstance(module, base)), "")
        if kind:
            found[name] = (kind, module)
    return found


class _Pending(NamedTuple):
    """A sample that still lies on the device, in one tensor."""

    step: int
    numbers: Tensor
    layout: list[tuple[str, str, list[str]]]
    """(name, kind, names of its numbers in order), by layer."""
    cost: float


class Watch:
    """Layer statistics of `model` while `optimizer` trains it.

        with watch.step(number):      # does nothing unless this step is due
            forward, backward, optimizer.step()
        records = watch.take()        # now and then: what was sampled since

    every: sample at steps that are multiples of it; 0 is never.
    """

    def __init__(self, model: nn.Module, optimizer: Optimizer, every: int) -> None:
        self.layers = watched_layers(model)
        self.optimizer = optimizer
        self.every = every
        self.seconds = 0.0
        """Spent on watching so far."""
        self._samples = 0
        self._last = 0.0
        self._last_cost = 0.0
        self._pending: list[_Pending] = []
        self._alive: dict[str, deque[Tensor]] = {}
        self._born = time.perf_counter()

    def due(self, step: int) -> bool:
        if not self.every or step % self.every:
            return False
        if self._samples < FREE_SAMPLES:
            return True
        return time.perf_counter() - self._last >= max(SECONDS_APART, COSTS_APART * self._last_cost)

    def step(self, step: int) -> AbstractContextManager[None]:
        """Around one training step; an exception passes through and leaves no hook and no record."""
        return self._sampled(step) if self.due(step) else nullcontext()

    @contextmanager
    def _sampled(self, step: int) -> Iterator[None]:
        sample = _Sample(self.layers, self.optimizer, self._alive)
        try:
            sample.hook()
            yield
        finally:
            sample.unhook()
        begun = time.perf_counter()
        numbers, layout = sample.gathered()
        self._samples += 1
        self._last = time.perf_counter()
        self._last_cost = sample.seconds + self._last - begun
        self.seconds += self._last_cost
        cost = self.seconds / max(self._last - self._born, 1e-9)
        self._pending.append(_Pending(step, numbers, layout, cost))

    def take(self) -> list[LayersSampled]:
        """The samples since the last call, read from the device now."""
        begun = time.perf_counter()
        records = [_record(pending) for pending in self._pending]
        self._pending.clear()
        self.seconds += time.perf_counter() - begun
        return records

    def forget_time(self, seconds: float) -> None:
        """A pause of so many seconds does not count when the share of watching is worked out."""
        self._born += seconds


class _Sample:
    """The hooks of one step, and what they saw."""

    def __init__(
        self, layers: Mapping[str, tuple[str, nn.Module]], optimizer: Optimizer, alive: dict[str, deque[Tensor]]
    ) -> None:
        self.layers = layers
        self.optimizer = optimizer
        self.alive = alive
        self.outputs: dict[str, dict[str, Tensor]] = {}
        self.weights: dict[str, Tensor] = {}
        for name, (_, module) in layers.items():
            weight = getattr(module, "weight", None)
            if isinstance(weight, nn.Parameter):
                self.weights[name] = weight
        self.before: list[Tensor] = []
        self.norms: dict[str, list[Tensor]] = {}
        self.grads: dict[str, Tensor] = {}
        self.handles: list[Any] = []
        self.seconds = 0.0

    def hook(self) -> None:
        for name, (kind, module) in self.layers.items():
            self.handles.append(module.register_forward_hook(self._forward_hook(name, kind)))
        self.handles.append(self.optimizer.register_step_pre_hook(self._before_update))
        self.handles.append(self.optimizer.register_step_post_hook(self._after_update))

    def unhook(self) -> None:
        for handle in self.handles:
            handle.remove()
        self.handles.clear()

    def _forward_hook(self, name: str, kind: str) -> Any:
        def seen(module: nn.Module, inputs: Any, output: Any) -> None:
            if name in self.outputs or not isinstance(output, Tensor) or not output.numel():
                return  # a module that is called twice is looked at once
            begun = time.perf_counter()
            with torch.no_grad():
                self.outputs[name] = self._look(name, kind, output.detach())
            self.seconds += time.perf_counter() - begun

        return seen

    def _look(self, name: str, kind: str, output: Tensor) -> dict[str, Tensor]:
        values = flat_view(output)
        if values.dtype != torch.float32:
            values = values.float()
        numbers = {"moments": moments(values), "histogram": histogram(values)}
        share = saturated(values, kind)
        if share is not None:
            numbers["saturated"] = share[None]
        if kind == "relu":
            window = self.alive.setdefault(name, deque(maxlen=DEAD_WINDOW))
            now = alive_channels(output)
            if window and window[-1].shape != now.shape:
                window.clear()
            window.append(now)
            numbers["dead"] = 1.0 - torch.stack(list(window)).any(0).float().mean()[None]
        return numbers

    @torch.no_grad()
    def _before_update(self, optimizer: Optimizer, *_: Any) -> None:
        begun = time.perf_counter()
        self.before = [weight.detach().clone() for weight in self.weights.values()]
        with_grad = {name: weight.grad for name, weight in self.weights.items() if weight.grad is not None}
        if with_grad:
            self.grads = dict(zip(with_grad, torch._foreach_norm(list(with_grad.values())), strict=True))
        self.seconds += time.perf_counter() - begun

    @torch.no_grad()
    def _after_update(self, optimizer: Optimizer, *_: Any) -> None:
        if not self.before:
            return
        begun = time.perf_counter()
        weights = [weight.detach() for weight in self.weights.values()]
        after = torch._foreach_norm(weights)
        norms = torch._foreach_norm(self.before)
        torch._foreach_sub_(self.before, weights)
        steps = torch._foreach_norm(self.before)
        self.norms = {
            name: [now, moved / old] for name, now, moved, old in zip(self.weights, after, steps, norms, strict=True)
        }
        self.before = []
        self.seconds += time.perf_counter() - begun

    @torch.no_grad()
    def gathered(self) -> tuple[Tensor, list[tuple[str, str, list[str]]]]:
        """Everything in one flat tensor on the device, and what lies where."""
        pieces: list[Tensor] = []
        layout: list[tuple[str, str, list[str]]] = []
        for name, (kind, _) in self.layers.items():
            if name not in self.outputs:
                continue
            parts = self.outputs[name]
            if name in self.grads:
                parts["grad_norm"] = self.grads[name][None]
            if name in self.norms:
                parts["weight_norm"] = self.norms[name][0][None]
                parts["update_ratio"] = self.norms[name][1][None]
            layout.append((name, kind, list(parts)))
            pieces += parts.values()
        numbers = torch.cat([piece.float() for piece in pieces]) if pieces else torch.empty(0)
        return numbers, layout


_LENGTHS = {"moments": 5, "histogram": BINS + 2}


def _record(pending: _Pending) -> LayersSampled:
    numbers: list[float] = [float(f"{number:.6g}") for number in pending.numbers.tolist()]
    layers = []
    place = 0
    for name, kind, parts in pending.layout:
        found: dict[str, Any] = {}
        for part in parts:
            length = _LENGTHS.get(part, 1)
            values = numbers[place : place + length]
            place += length
            if part == "moments":
                found.update(zip(("mean", "std", "min", "max", "zeros"), values, strict=True))
            elif part == "histogram":
                if values[0] == values[0]:
                    found[part] = Histogram(values[0], values[1], [int(count) for count in values[2:]])
            else:
                found[part] = values[0]
        layers.append(LayerStats(name=name, kind=kind, **found))
    return LayersSampled(step=pending.step, layers=layers, watch_cost=round(pending.cost, 5))
