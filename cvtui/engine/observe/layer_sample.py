"""Layer statistics of one sampled step: hooks on every watched layer and on the optimizer.

Statistics are exact over all values; only the histograms of large tensors are made of every n-th value
(`LayerStats.sampled` says the n). They hold at most 256 MB beside the step, and where even these are not to be had, the
sample is lost and the step goes on.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Mapping
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.optim import Optimizer
from torch.utils.hooks import RemovableHandle

from cvtui.engine.observe.statistics import (
    BINS,
    alive_channels,
    answer_entropy,
    every,
    histogram,
    moments,
    norm,
    pinned,
    saturated,
    stride_for,
    zeros,
)
from cvtui.engine.runtime.memory import is_out_of_memory
from cvtui.runlog.events import Histogram, LayersSampled, LayerStats
from cvtui.runlog.nonfinite import words_of
from cvtui.text import rounded

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

KEPT_WEIGHTS = 60_000_000
"""Weights that are kept from before an update to after it (240 MB); of larger nets only every n-th."""
DEAD_WINDOW = 5
"""Samples: a channel is dead when it was 0 for every image of all of them."""


def is_compiled(model: nn.Module) -> bool:
    """Return True for a model under torch.compile: hooks on the modules inside are then not called."""
    return hasattr(model, "_orig_mod") or getattr(model, "_compiled_call_impl", None) is not None


def watched_layers(model: nn.Module) -> dict[str, tuple[str, nn.Module]]:
    """Map names to (kind, module) of every conv, fc and activation, in the model's order.

    A shared module is there once. The names are those of `named_modules`, without what torch.compile and DataParallel
    put before them.
    """
    layers = {}
    for name, module in model.named_modules():
        kind = next((word for base, word in KINDS.items() if isinstance(module, base)), "")
        if kind:
            layers[plain_name(name) or kind] = (kind, module)
    return layers


def plain_name(name: str) -> str:
    changed = True
    while changed:
        changed = False
        for prefix in ("_orig_mod.", "module."):
            if name.startswith(prefix):
                name, changed = name.removeprefix(prefix), True
    return name


class Layout(NamedTuple):
    """What one layer's numbers are, in order."""

    name: str
    kind: str
    parts: list[str]
    sampled: int | None
    every: int = 1
    """The update ratio is that of every n-th weight."""


class Pending(NamedTuple):
    """A sample that still lies on the device, in one tensor."""

    step: int
    numbers: Tensor
    layout: list[Layout]
    cost: float


class LayerSample:
    """Hooks of one step, and the numbers they gathered.

    root: the model whose forward pass begins a look anew (None: outputs can't be seen, only weights and gradients).
    alive: the last samples' living channels by layer, shared between samples.
    """

    def __init__(
        self,
        step: int,
        layers: Mapping[str, tuple[str, nn.Module]],
        root: nn.Module | None,
        optimizer: Optimizer,
        alive: dict[str, deque[Tensor]],
    ) -> None:
        self.step = step
        self.root = root
        self.layers = layers
        self.optimizer = optimizer
        self.alive = alive
        self.outputs: dict[str, list[dict[str, Tensor]]] = {}
        self.strides: dict[str, int] = {}
        self.living: dict[str, Tensor] = {}
        self.weights: dict[str, Tensor] = {}
        for name, (_, module) in layers.items():
            weight = getattr(module, "weight", None)
            if isinstance(weight, nn.Parameter):
                self.weights[name] = weight
        self.before: list[Tensor] = []
        total = sum(weight.numel() for weight in self.weights.values())
        share = -(-total // KEPT_WEIGHTS) or 1
        self.kept = {name: stride_for(w.numel(), -(-w.numel() // share)) for name, w in self.weights.items()}
        """The stride at which a layer's weights are kept from before the update; 1 is all of them."""
        self.lost = False
        """There was no memory for it: nothing comes of this sample."""
        self.weight_numbers: dict[str, dict[str, Tensor]] = {}
        self.handles: list[RemovableHandle] = []
        self.seconds = 0.0
        self.updated = False
        self.answers: Tensor | None = None

    def hook(self) -> None:
        if self.root is not None:
            self.handles.append(self.root.register_forward_pre_hook(self._reset))
            self.handles.append(self.root.register_forward_hook(self._look_at_answers))
            for name, (kind, module) in self.layers.items():
                self.handles.append(module.register_forward_hook(self._forward_hook(name, kind)))
        self.handles.append(self.optimizer.register_step_pre_hook(self._before_update))
        self.handles.append(self.optimizer.register_step_post_hook(self._after_update))

    def unhook(self) -> None:
        for handle in self.handles:
            handle.remove()
        self.handles.clear()

    def _looking(self) -> bool:
        return torch.is_grad_enabled() and not self.updated and not self.lost

    def _give_up(self, error: BaseException) -> None:
        """Drop this sample when memory ran out. Raises any other error."""
        if not is_out_of_memory(error):
            raise error
        self.lost = True
        self.before = []
        for held in (self.outputs, self.living, self.weight_numbers):
            held.clear()

    def _reset(self, *_: Any) -> None:
        if self._looking():
            self.outputs.clear()
            self.living.clear()

    def _look_at_answers(self, _module: nn.Module, _inputs: Any, output: Any) -> None:
        if not self._looking() or not isinstance(output, Tensor) or output.dim() != 2 or not output.numel():
            return
        begun = time.perf_counter()
        try:
            with torch.no_grad():
                self.answers = answer_entropy(output.detach())
        except (RuntimeError, MemoryError) as error:
            self._give_up(error)
        self.seconds += time.perf_counter() - begun

    def _forward_hook(self, name: str, kind: str) -> Any:
        def seen(_module: nn.Module, _inputs: Any, output: Any) -> None:
            tensor = _first_tensor(output)
            if tensor is None or not tensor.numel() or not self._looking():
                return
            begun = time.perf_counter()
            try:
                with torch.no_grad():
                    self.outputs.setdefault(name, []).append(self._look(name, kind, tensor.detach()))
            except (RuntimeError, MemoryError) as error:
                self._give_up(error)
            self.seconds += time.perf_counter() - begun

        return seen

    def _look(self, name: str, kind: str, output: Tensor) -> dict[str, Tensor]:
        numbers = {"moments": moments(output), "histogram": histogram(output)}
        self.strides[name] = max(self.strides.get(name, 1), stride_for(output.numel()))
        share = saturated(output, kind)
        if share is not None:
            numbers["saturated"] = share[None]
        share = pinned(output, kind)
        if share is not None:
            numbers["pinned"] = share[None]
        if kind == "relu":
            now = alive_channels(output)
            before = self.living.get(name)
            self.living[name] = now if before is None or before.shape != now.shape else before | now
        return numbers

    @torch.no_grad()
    def _before_update(self, *_: Any) -> None:
        if self.lost:
            return
        begun = time.perf_counter()
        try:
            self._look_at_gradients()
            self.before = [weight.clone() for weight in self._kept_weights()]
        except (RuntimeError, MemoryError) as error:
            self._give_up(error)
        self.seconds += time.perf_counter() - begun

    def _kept_weights(self) -> list[Tensor]:
        pairs = zip(self.weights.values(), self.kept.values(), strict=True)
        return [weight.detach() if stride == 1 else every(weight.detach(), stride) for weight, stride in pairs]

    def _look_at_gradients(self) -> None:
        for name, weight in self.weights.items():
            gradient = weight.grad
            if gradient is None or gradient.is_sparse:
                continue
            gradient = gradient.detach()
            self.weight_numbers[name] = {
                "grad_norm": norm(gradient)[None],
                "grad_zeros": zeros(gradient)[None],
                "grad_histogram": histogram(gradient),
            }

    @torch.no_grad()
    def _after_update(self, *_: Any) -> None:
        self.updated = True
        if not self.before:
            return
        begun = time.perf_counter()
        try:
            self._look_at_update()
        except (RuntimeError, MemoryError) as error:
            self._give_up(error)
        self.seconds += time.perf_counter() - begun

    def _look_at_update(self) -> None:
        weights = [weight.detach() for weight in self.weights.values()]
        after = torch._foreach_norm(weights)
        before, self.before = self.before, []
        norms = torch._foreach_norm(before)
        torch._foreach_sub_(before, self._kept_weights())
        steps = torch._foreach_norm(before)
        before.clear()
        for name, weight, now, moved, old in zip(self.weights, weights, after, steps, norms, strict=True):
            numbers = self.weight_numbers.setdefault(name, {})
            numbers["weight_norm"] = now[None]
            numbers["update_ratio"] = (moved / old)[None]
            numbers["weight_moments"] = moments(weight)
            numbers["weight_histogram"] = histogram(weight)
            self.strides[name] = max(self.strides.get(name, 1), stride_for(weight.numel()))

    @torch.no_grad()
    def gathered(self) -> tuple[Tensor, list[Layout]]:
        """Concatenate all numbers on the device into one flat tensor, with its layout."""
        pieces: list[Tensor] = []
        layout: list[Layout] = []
        for name, (kind, _) in self.layers.items():
            calls = self.outputs.get(name) or [{}]
            for number, numbers in enumerate(calls, 1):
                parts = dict(numbers)
                if number == 1:
                    parts |= self.weight_numbers.get(name, {})
                    parts |= self._dead(name)
                if parts:
                    title = name if number == 1 else f"{name}#{number}"
                    stride, kept = self.strides.get(name, 1), self.kept.get(name, 1)
                    layout.append(Layout(title, kind, list(parts), stride if stride > 1 else None, kept))
                    pieces += parts.values()
        if self.answers is not None:
            pieces.append(self.answers[None].to(pieces[0].device) if pieces else self.answers[None])
            layout.append(Layout("", "answers", ["answers"], None))
        numbers_of_all = torch.cat([piece.float() for piece in pieces]) if pieces else torch.empty(0)
        return numbers_of_all, layout

    def _dead(self, name: str) -> dict[str, Tensor]:
        """Share of channels that lived in none of the last samples."""
        now = self.living.get(name)
        if now is None:
            return {}
        window = self.alive.setdefault(name, deque(maxlen=DEAD_WINDOW))
        if window and window[-1].shape != now.shape:
            window.clear()
        window.append(now)
        return {"dead": 1.0 - torch.stack(list(window)).any(0).float().mean()[None]}


def _first_tensor(output: Any) -> Tensor | None:
    """Return the output itself, or the first tensor of a tuple, list or dict."""
    if isinstance(output, Tensor):
        return output
    values = output.values() if isinstance(output, Mapping) else output if isinstance(output, tuple | list) else ()
    return next((value for value in values if isinstance(value, Tensor)), None)


_LENGTHS = {
    "moments": 5, "weight_moments": 5, "histogram": BINS + 2, "weight_histogram": BINS + 2, "grad_histogram": BINS + 2,
}  # fmt: skip


def record_of(pending: Pending) -> LayersSampled:
    """Make the record of a sample, read from the device now."""
    numbers: list[float] = [rounded(number, 6) for number in pending.numbers.tolist()]
    layers = []
    answers = None
    start = 0
    for name, kind, parts, sampled, kept in pending.layout:
        fields: dict[str, Any] = {"mean": None, "std": None, "min": None, "max": None, "zeros": None}
        for part in parts:
            length = _LENGTHS.get(part, 1)
            values = numbers[start : start + length]
            start += length
            if part == "moments":
                fields.update(zip(("mean", "std", "min", "max", "zeros"), values, strict=True))
            elif part == "weight_moments":
                fields["weight_mean"], fields["weight_std"] = values[:2]
            elif part.endswith("histogram"):
                if values[0] == values[0]:
                    fields[part] = Histogram(values[0], values[1], [int(count) for count in values[2:]])
            else:
                fields[part] = values[0]
        if kind == "answers":
            answers = fields["answers"] if fields["answers"] == fields["answers"] else None
            continue
        fields["not_finite"] = words_of({key: value for key, value in fields.items() if isinstance(value, float)})
        fields["update_sampled"] = kept if kept > 1 and "update_ratio" in parts else None
        layers.append(LayerStats(name=name, kind=kind, sampled=sampled, **fields))
    return LayersSampled(step=pending.step, layers=layers, answers=answers, watch_cost=round(pending.cost, 5))
