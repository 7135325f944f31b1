"""Layer statistics of one sampled step: hooks on every watched layer and on the optimizer.

Means and norms are exact over all values; everything else is of at most 2,048 values a tensor (gathered.py), and
`LayerStats.sampled` says of how many one was taken. The step itself only copies those values; they are described when
the log is flushed. A sample holds some 8 KB a tensor beside the step, and where even these are not to be had, it is
lost and the step goes on.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from cvtui.engine.observe.forward_hooks import ForwardHooks, Handle, first_tensor
from cvtui.engine.observe.gathered import BOUNDED, WIDTH, Places, describe, distances, saturation, share
from cvtui.engine.observe.statistics import alive_channels, answer_entropy, flat_view, is_flat, norm
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

DEAD_WINDOW = 5
"""Samples: a channel is dead when it was 0 for every image of all of them."""


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
    """Leave out what torch.compile puts into a module's name, and DataParallel before it."""
    parts = [part for part in name.split(".") if part != "_orig_mod"]
    while parts[:1] == ["module"] and len(parts) > 1:
        del parts[0]
    return ".".join(parts)


@dataclass
class LayerRows:
    """What a step copied of one layer: gathered values, and exact numbers (scalars); all on its device."""

    name: str
    kind: str
    output: Tensor | None = None
    gradient: Tensor | None = None
    before: Tensor | None = None
    """Of the weights, before the update."""
    weights: Tensor | None = None
    """And after it, at the same places."""
    numbers: dict[str, Tensor] = field(default_factory=dict)
    """Exact: mean, grad_norm, weight_norm."""
    alive: list[Tensor] = field(default_factory=list)
    """Living channels in each of the last samples."""
    sampled: int | None = None
    update_sampled: int | None = None

    def notice(self, count: int) -> None:
        """Take note that a tensor of so many values was gathered."""
        if (one := share(count)) is not None:
            self.sampled = max(one, self.sampled or 0)


@dataclass
class Pending:
    """A sample that still lies on the device."""

    step: int
    layers: list[LayerRows]
    answers: tuple[Tensor, int] | None
    """Predicted class of each image, and the number of classes."""


class LayerSample:
    """Hooks of one step, and the numbers they gathered.

    root: the model whose forward pass begins a look anew.
    alive: the last samples' living channels by layer, shared between samples.
    """

    def __init__(
        self,
        step: int,
        layers: Mapping[str, tuple[str, nn.Module]],
        root: nn.Module,
        hooks: ForwardHooks,
        optimizer: Optimizer,
        alive: dict[str, deque[Tensor]],
        places: Places,
        clock: Callable[[], float],
    ) -> None:
        self.clock = clock
        self.step = step
        self.root = root
        self.hooks = hooks
        self.layers = layers
        self.optimizer = optimizer
        self.alive = alive
        self.places = places
        self.outputs: dict[str, list[LayerRows]] = {}
        self.living: dict[str, Tensor] = {}
        self.weights: dict[str, nn.Parameter] = {}
        for name, (_, module) in layers.items():
            weight = getattr(module, "weight", None)
            if isinstance(weight, nn.Parameter) and weight.numel():
                self.weights[name] = weight
        self.lost = False
        """There was no memory for it: nothing comes of this sample."""
        self.learnt: dict[str, LayerRows] = {}
        """Weights and gradients by layer."""
        self.handles: list[Handle] = []
        self.seconds = 0.0
        self.updated = False
        self.answers: tuple[Tensor, int] | None = None
        """Predicted class of each image, and the number of classes."""

    def hook(self) -> None:
        self.handles.append(self.hooks.before(self.root, self._reset))
        self.handles.append(self.hooks.after(self.root, self._look_at_answers))
        for name, (kind, module) in self.layers.items():
            self.handles.append(self.hooks.after(module, self._forward_hook(name, kind)))
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
        for held in (self.outputs, self.living, self.learnt):
            held.clear()

    def _reset(self, *_: Any) -> None:
        if self._looking():
            self.outputs.clear()
            self.living.clear()

    def _look_at_answers(self, _module: nn.Module, _inputs: Any, output: Any) -> None:
        if not self._looking() or not isinstance(output, Tensor) or output.dim() != 2 or not output.numel():
            return
        begun = self.clock()
        try:
            with torch.no_grad():
                self.answers = output.argmax(1), output.shape[1]
        except (RuntimeError, MemoryError) as error:
            self._give_up(error)
        self.seconds += self.clock() - begun

    def _forward_hook(self, name: str, kind: str) -> Any:
        def seen(_module: nn.Module, _inputs: Any, output: Any) -> None:
            tensor = first_tensor(output)
            if tensor is None or not tensor.numel() or not self._looking():
                return
            begun = self.clock()
            try:
                with torch.no_grad():
                    self.outputs.setdefault(name, []).append(self._look(name, kind, tensor.detach()))
            except (RuntimeError, MemoryError) as error:
                self._give_up(error)
            self.seconds += self.clock() - begun

        return seen

    def _look(self, name: str, kind: str, output: Tensor) -> LayerRows:
        rows = LayerRows(name, kind, self.places.gather(output))
        rows.notice(output.numel())
        if rows.sampled is not None:
            values = flat_view(output) if is_flat(output) else output
            rows.numbers["mean"] = values.mean(dtype=torch.float32)
        if kind == "relu":
            now = alive_channels(output)
            before = self.living.get(name)
            self.living[name] = now if before is None or before.shape != now.shape else before | now
        return rows

    @torch.no_grad()
    def _before_update(self, *_: Any) -> None:
        if self.lost:
            return
        begun = self.clock()
        try:
            self._look_at_gradients()
        except (RuntimeError, MemoryError) as error:
            self._give_up(error)
        self.seconds += self.clock() - begun

    def _look_at_gradients(self) -> None:
        seen: dict[str, Tensor] = {}
        held = {id(p) for group in self.optimizer.param_groups for p in group["params"]}
        for name, weight in self.weights.items():
            rows = self.learnt[name] = LayerRows(name, "")
            rows.notice(weight.numel())
            if id(weight) in held:  # what another optimizer trains does not move in this one's step
                rows.before, rows.update_sampled = self.places.gather(weight.detach()), rows.sampled
            gradient = weight.grad
            if gradient is not None and not gradient.is_sparse:
                seen[name] = gradient.detach()
                rows.gradient = self.places.gather(seen[name])
        for name, one in zip(seen, norms_of(list(seen.values())), strict=True):
            self.learnt[name].numbers["grad_norm"] = one

    @torch.no_grad()
    def _after_update(self, *_: Any) -> None:
        self.updated = True
        if not self.learnt:
            return
        begun = self.clock()
        try:
            self._look_at_update()
        except (RuntimeError, MemoryError) as error:
            self._give_up(error)
        self.seconds += self.clock() - begun

    def _look_at_update(self) -> None:
        weights = [self.weights[name].detach() for name in self.learnt]
        for rows, weight, now in zip(self.learnt.values(), weights, norms_of(weights), strict=True):
            rows.numbers["weight_norm"] = now
            rows.weights = self.places.gather(weight)

    @torch.no_grad()
    def gathered(self) -> Pending:
        """Return all that was copied, layer by layer."""
        found: list[LayerRows] = []
        for name, (kind, _) in self.layers.items():
            calls = self.outputs.get(name, [])
            if name in self.learnt:
                calls = [_together(kind, calls[0] if calls else None, self.learnt[name]), *calls[1:]]
            if calls and name in self.living:
                calls[0].alive = self._last_alive(name)
            for number, rows in enumerate(calls[1:], 2):
                rows.name = f"{name}#{number}"
            found += calls
        return Pending(self.step, found, self.answers)

    def _last_alive(self, name: str) -> list[Tensor]:
        """Return the living channels of the last samples, this one's among them."""
        now = self.living[name]
        window = self.alive.setdefault(name, deque(maxlen=DEAD_WINDOW))
        if window and window[-1].shape != now.shape:
            window.clear()
        window.append(now)
        return list(window)


def norms_of(tensors: list[Tensor]) -> Sequence[Tensor]:
    """2-norms over all values, in float32: one pass of one operation."""
    if all(tensor.dtype == torch.float32 for tensor in tensors):
        return torch._foreach_norm(tensors) if tensors else []
    return [norm(tensor) for tensor in tensors]


def _together(kind: str, output: LayerRows | None, learnt: LayerRows) -> LayerRows:
    """Join what was seen of a layer's outputs and of its weights."""
    if output is None:
        learnt.kind = kind
        return learnt
    output.gradient, output.before, output.weights = learnt.gradient, learnt.before, learnt.weights
    output.numbers |= learnt.numbers
    output.sampled = max(output.sampled or 0, learnt.sampled or 0) or None
    output.update_sampled = learnt.update_sampled
    return output


def record_of(pending: Pending, cost: float) -> LayersSampled:
    """Make the record of a sample, read from its device now, in one go.

    cost: the share of the time so far that watching has taken.
    """
    layers = pending.layers
    rows = [row for layer in layers for row in (layer.output, layer.gradient, layer.weights) if row is not None]
    pairs = [(one.before, one.weights) for one in layers if one.before is not None and one.weights is not None]
    bounded = [saturation(one.output, one.kind) for one in layers if one.output is not None and one.kind in BOUNDED]
    for layer in layers:
        if layer.alive:  # the share of channels that lived in none of the last samples
            layer.numbers["dead"] = 1.0 - torch.stack(layer.alive).any(0).float().mean()
    exact = [number.reshape(1) for layer in layers for number in layer.numbers.values()]
    exact += [] if pending.answers is None else [answer_entropy(*pending.answers).reshape(1)]
    parts = [describe(rows).flatten(), distances(pairs), *bounded, *exact]
    numbers = iter(torch.cat([part.float().to(parts[0].device) for part in parts]).tolist())

    def take(count: int) -> list[float]:
        return list(islice(numbers, count))

    found = _Readings(
        iter([take(WIDTH) for _ in rows]), iter(take(len(pairs))), iter([take(2) for _ in bounded]), numbers
    )
    stats = [found.layer(layer) for layer in layers]
    answers = None if pending.answers is None else rounded(next(numbers), 6)
    answers = answers if answers == answers else None
    return LayersSampled(step=pending.step, layers=stats, answers=answers, watch_cost=round(cost, 5))


@dataclass
class _Readings:
    """Numbers of a sample, each kind in the order of its layers."""

    rows: Iterator[list[float]]
    ratios: Iterator[float]
    bounded: Iterator[list[float]]
    exact: Iterator[float]

    def layer(self, layer: LayerRows) -> LayerStats:
        fields: dict[str, float | None] = dict.fromkeys(("mean", "std", "min", "max", "zeros"))
        histograms: dict[str, Any] = {}
        if layer.output is not None:
            row = next(self.rows)
            fields.update(zip(fields, row[:5], strict=True))
            histograms["histogram"] = _histogram(row)
        if layer.gradient is not None:
            row = next(self.rows)
            fields["grad_zeros"] = row[4]
            histograms["grad_histogram"] = _histogram(row)
        if layer.weights is not None:
            row = next(self.rows)
            fields["weight_mean"], fields["weight_std"] = row[:2]
            histograms["weight_histogram"] = _histogram(row)
            if layer.before is not None:
                fields["update_ratio"] = next(self.ratios)
        if layer.output is not None and layer.kind in BOUNDED:
            fields["saturated"], fields["pinned"] = next(self.bounded)
        fields.update(zip(layer.numbers, self.exact, strict=False))
        told: dict[str, Any] = {name: None if value is None else rounded(value, 6) for name, value in fields.items()}
        return LayerStats(
            name=layer.name,
            kind=layer.kind,
            sampled=layer.sampled,
            update_sampled=layer.update_sampled if "update_ratio" in told else None,
            not_finite=words_of({name: value for name, value in told.items() if value is not None}),
            **told,
            **histograms,
        )


def _histogram(row: Sequence[float]) -> Histogram | None:
    """Histogram of a described row; None where no value is finite."""
    low, high = row[5:7]
    return Histogram(rounded(low, 6), rounded(high, 6), [int(count) for count in row[7:]]) if low == low else None
