"""What a sampled step copied of its layers, and the record that is made of it when the log is flushed."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

import numpy as np
import torch
from torch import Tensor

from cvtui.engine.observe.gathered import BOUNDED, WIDTH, describe, distances, saturation, share
from cvtui.engine.observe.layer_extras import MISFITS, Later, RunningStatistics
from cvtui.engine.observe.layer_kinds import RECURRENT
from cvtui.engine.observe.statistics import Number, answer_entropy, on_cpu
from cvtui.engine.runtime.memory import is_out_of_memory
from cvtui.runlog.events import Histogram, LayersSampled, LayerStats
from cvtui.runlog.nonfinite import words_of
from cvtui.text import rounded

_OUTPUT = ("mean", "std", "min", "max", "zeros")
"""What the first numbers of a described output are."""
_NO_OUTPUT: dict[str, Any] = dict.fromkeys(_OUTPUT)
GATE = "gate:"
"""Begins the names of numbers that are gates."""


@dataclass(slots=True)
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
    numbers: dict[str, Number] = field(default_factory=dict)
    """Exact: mean (as the sum of `count` values), grad_norm, weight_norm."""
    count: int = 1
    """Of the output, where its exact sum was taken."""
    alive: list[Tensor] = field(default_factory=list)
    """Living channels in each of the last samples."""
    sampled: int | None = None
    update_sampled: int | None = None
    running: RunningStatistics | None = None
    """Of a batch norm: before and after the step."""
    later: Later | None = None
    """Of an attention: what is worked out when the log is flushed."""
    described: bool = True
    """Its weights and their gradient have histograms: not those of a norm, one number a channel."""

    def rows(self) -> list[Tensor]:
        """Return what is described: gathered values of the output, the gradient, the weights."""
        rows = (self.output, *((self.gradient, self.weights) if self.described else ()))
        return [row for row in rows if row is not None]

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
    unseen: dict[str, str] = field(default_factory=dict)
    """Why the output of a layer was not seen."""


def together(kind: str, output: LayerRows | None, learnt: LayerRows) -> LayerRows:
    """Join what was seen of a layer's outputs and of its weights."""
    if output is None:
        learnt.kind = kind
        return learnt
    output.gradient, output.before, output.weights = learnt.gradient, learnt.before, learnt.weights
    output.numbers |= learnt.numbers
    output.sampled = max(output.sampled or 0, learnt.sampled or 0) or None
    output.update_sampled, output.described = learnt.update_sampled, learnt.described
    return output


def record_of(pending: Pending, cost: float) -> LayersSampled:
    """Make the record of a sample, read from its device now, in one go.

    cost: the share of the time so far that watching has taken.
    """
    layers = pending.layers
    rows = [row for layer in layers for row in layer.rows()]
    pairs = [(one.before, one.weights) for one in layers if one.before is not None and one.weights is not None]
    bounded = [saturation(one.output, one.kind) for one in layers if one.output is not None and one.kind in BOUNDED]
    for layer in layers:
        if layer.alive:  # the share of channels that lived in none of the last samples
            layer.numbers["dead"] = _dead(layer.alive)
        for later in (layer.later, layer.running.numbers if layer.running is not None else None):
            if later is not None:
                layer.numbers |= _worked_out(later, layer)
    exact: list[Number] = [number for layer in layers for number in layer.numbers.values()]
    exact += [] if pending.answers is None else [answer_entropy(*pending.answers)]
    described, ratios, shares, numbers = _read(describe(rows), distances(pairs), bounded, exact)
    found = _Readings(iter(described), iter(ratios), iter(shares), iter(numbers))
    stats = [found.layer(layer) for layer in layers]
    answers = None if pending.answers is None else rounded(next(found.exact), 6)
    answers = answers if answers == answers else None
    cost = round(cost, 5)
    return LayersSampled(step=pending.step, layers=stats, answers=answers, watch_cost=cost, unseen=pending.unseen)


def _dead(alive: Sequence[Tensor]) -> Number:
    if on_cpu(alive[0]):
        lived = np.logical_or.reduce([one.numpy() for one in alive])
        return 1.0 - int(np.count_nonzero(lived)) / len(lived)
    return 1.0 - torch.stack(list(alive)).any(0).float().mean()


@torch.no_grad()
def _worked_out(later: Later, layer: LayerRows) -> Mapping[str, Number]:
    """Return the numbers that only this kind of layer has; {} where they can't be told."""
    device = layer.output.device.type if layer.output is not None else "cpu"
    try:
        # (The context takes 0.1 ms for the batch norms of a small net.)
        with torch.autocast(device, enabled=False) if torch.is_autocast_enabled(device) else nullcontext():
            return later()
    except MISFITS as error:
        if is_out_of_memory(error):
            raise
        return {}


def _read(
    rows: Tensor, ratios: Tensor, bounded: Sequence[Tensor], exact: Sequence[Number]
) -> tuple[list[list[float]], list[float], list[list[float]], list[float]]:
    """Return all as plain numbers; another device is waited for once."""
    if on_cpu(rows):
        return rows.tolist(), ratios.tolist(), [one.tolist() for one in bounded], [float(one) for one in exact]
    parts = [rows.flatten(), ratios, *bounded, *(torch.as_tensor(one).reshape(1) for one in exact)]
    numbers = iter(torch.cat([part.float().to(rows.device) for part in parts]).tolist())

    def take(count: int) -> list[float]:
        return list(islice(numbers, count))

    return [take(WIDTH) for _ in rows], take(len(ratios)), [take(2) for _ in bounded], list(numbers)


@dataclass
class _Readings:
    """Numbers of a sample, each kind in the order of its layers."""

    rows: Iterator[list[float]]
    ratios: Iterator[float]
    bounded: Iterator[list[float]]
    exact: Iterator[float]

    def layer(self, layer: LayerRows) -> LayerStats:
        fields: dict[str, float] = {}
        histograms: dict[str, Any] = {}
        if layer.output is not None:
            row = next(self.rows)
            fields.update(zip(_OUTPUT, row, strict=False))
            histograms["histogram"] = _histogram(row)
        if layer.gradient is not None:
            row = next(self.rows)
            fields["grad_zeros"] = row[4]
            histograms["grad_histogram"] = _histogram(row)
        if layer.weights is not None:
            if layer.described:
                row = next(self.rows)
                fields["weight_mean"], fields["weight_std"] = row[:2]
                histograms["weight_histogram"] = _histogram(row)
            if layer.before is not None:
                fields["update_ratio"] = next(self.ratios)
        if layer.output is not None and layer.kind in BOUNDED:
            fields["saturated"], fields["pinned"] = next(self.bounded)
        fields.update(zip(layer.numbers, self.exact, strict=False))
        if layer.count > 1:
            fields["mean"] /= layer.count
        told: dict[str, Any] = {name: float(f"{value:.6g}") for name, value in fields.items()}
        gates = {}
        if layer.kind in RECURRENT:
            gates = {name.removeprefix(GATE): told.pop(name) for name in list(told) if name.startswith(GATE)}
        return LayerStats(
            name=layer.name,
            kind=layer.kind,
            sampled=layer.sampled,
            update_sampled=layer.update_sampled if "update_ratio" in told else None,
            not_finite={} if all(map(math.isfinite, told.values())) else words_of(told),
            gates=gates,
            **{**_NO_OUTPUT, **told, **histograms},
        )


def _histogram(row: Sequence[float]) -> Histogram | None:
    """Histogram of a described row; None where no value is finite."""
    low, high = row[5:7]
    return Histogram(rounded(low, 6), rounded(high, 6), list(map(int, row[7:]))) if low == low else None
