"""What a sampled step copied of its layers, and the record that is made of it when the log is flushed."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

import numpy as np
import torch
from torch import Tensor

from cvtui.engine.observe.gathered import BINS, BOUNDED, WIDTH, describe, distances, saturation
from cvtui.engine.observe.layer_extras import MISFITS, Later
from cvtui.engine.observe.layer_kinds import RECURRENT
from cvtui.engine.observe.layer_rows import LayerRows, together
from cvtui.engine.observe.norm_sample import RunningTogether
from cvtui.engine.observe.statistics import Number, answer_entropy, on_cpu
from cvtui.engine.observe.weight_sample import Learnt
from cvtui.engine.runtime.memory import is_out_of_memory
from cvtui.runlog.events import Histogram, LayersSampled, LayerStats
from cvtui.runlog.nonfinite import words_of
from cvtui.text import rounded

_OUTPUT = ("mean", "std", "min", "max", "zeros")
"""What the first numbers of a described output are."""
_NO_OUTPUT: dict[str, Any] = dict.fromkeys(_OUTPUT)
DEAD_WINDOW = 5
"""Samples: a channel is dead when it was 0 for every image of all of them."""
GATE = "gate:"
"""Begins the names of numbers that are gates."""


@dataclass
class Pending:
    """A sample that still lies on the device."""

    step: int
    kinds: Mapping[str, str]
    """Of all layers, in the model's order."""
    outputs: Mapping[str, list[LayerRows]]
    """By layer, those of each call."""
    called: Sequence[tuple[str, LayerRows]]
    """Activations that are functions: the layer before, and what was copied."""
    learnt: Sequence[Learnt]
    norms: RunningTogether | None
    alive: dict[str, deque[Tensor]]
    """Living channels of the last samples by layer; this one's come to them as it is read."""
    answers: tuple[Tensor, int] | None
    """Predicted class of each image, or its scores, and the number of classes."""
    unseen: dict[str, str] = field(default_factory=dict)
    """Why the output of a layer was not seen."""

    def layers(self) -> list[LayerRows]:
        """Return all that was copied, layer by layer."""
        found = [rows for after, rows in self.called if not after]
        learnt = {name: rows for one in self.learnt for name, rows in one.rows().items()}
        for name, kind in self.kinds.items():
            calls = self.outputs.get(name, [])
            self._note_living(calls)
            if name in learnt:
                calls = [together(kind, calls[0] if calls else None, learnt[name]), *calls[1:]]
            for number, rows in enumerate(calls[1:], 2):
                rows.name = f"{name}#{number}"
            found += calls
            found += [rows for after, rows in self.called if after == name]
        for _, rows in self.called:
            self._note_living([rows])
        for name, running in self.norms.by_layer().items() if self.norms is not None else ():
            if len(calls := self.outputs.get(name, [])) == 1:
                calls[0].running = running
        return found

    def _note_living(self, calls: Sequence[LayerRows]) -> None:
        """Note the living channels of a layer, in all calls of this and the last samples, in its first row."""
        now: Tensor | None = None
        for rows in calls:
            if rows.channels is not None:
                lives = rows.channels != 0
                now = lives if now is None or now.shape != lives.shape else now | lives
        if now is None:
            return
        window = self.alive.setdefault(calls[0].name, deque(maxlen=DEAD_WINDOW))
        if window and window[-1].shape != now.shape:
            window.clear()
        window.append(now)
        calls[0].alive = list(window)

    def said(self) -> tuple[Tensor, int] | None:
        """Return the predicted class of each image, and the number of classes."""
        if self.answers is None or self.answers[0].dim() < 2:
            return self.answers
        return self.answers[0].argmax(1), self.answers[1]


def record_of(pending: Pending, cost: float) -> LayersSampled:
    """Make the record of a sample, read from its device now, in one go.

    cost: the share of the time so far that watching has taken.
    """
    layers, said = pending.layers(), pending.said()
    rows = [row for layer in layers for row in layer.rows()]
    pairs = [(one.before, one.weights) for one in layers if one.before is not None and one.weights is not None]
    bounded = [saturation(one.output, one.kind) for one in layers if one.output is not None and one.kind in BOUNDED]
    for layer in layers:
        if layer.size:
            layer.numbers["mean"] = layer.exact_sum()
        if layer.alive:  # the share of channels that lived in none of the last samples
            layer.numbers["dead"] = _dead(layer.alive)
        for later in (layer.later, layer.running.numbers if layer.running is not None else None):
            if later is not None:
                layer.numbers |= _worked_out(later, layer)
    exact: list[Number] = [number for layer in layers for number in layer.numbers.values()]
    exact += [] if said is None else [answer_entropy(*said)]
    described, ratios, shares, numbers = _read(describe(rows), distances(pairs), bounded, exact)
    found = _Readings(iter(described), iter(ratios), iter(shares), iter(numbers))
    stats = [found.layer(layer) for layer in layers]
    answers = None if said is None else rounded(next(found.exact), 6)
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
) -> tuple[list[list[Any]], list[float], list[list[float]], list[float]]:
    """Return all as plain numbers; another device is waited for once."""
    if on_cpu(rows):
        table = rows.numpy()
        with np.errstate(invalid="ignore"):  # (of rows without a finite value)
            counts = table[:, WIDTH - BINS :].astype(np.int64).tolist()
        told = [numbers + count for numbers, count in zip(table[:, : WIDTH - BINS].tolist(), counts, strict=True)]
        return told, ratios.tolist(), [one.tolist() for one in bounded], [float(one) for one in exact]
    parts = [rows.flatten(), ratios, *bounded, *(torch.as_tensor(one).reshape(1) for one in exact)]
    numbers = iter(torch.cat([part.float().to(rows.device) for part in parts]).tolist())

    def take(count: int) -> list[float]:
        return list(islice(numbers, count))

    told = [[*take(WIDTH - BINS), *map(int, take(BINS))] for _ in rows]
    return told, take(len(ratios)), [take(2) for _ in bounded], list(numbers)


@dataclass
class _Readings:
    """Numbers of a sample, each kind in the order of its layers."""

    rows: Iterator[list[Any]]
    """WIDTH numbers each; the counts are whole ones."""
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
        if layer.size:
            fields["mean"] /= layer.size
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


def _histogram(row: list[Any]) -> Histogram | None:
    """Histogram of a described row; None where no value is finite."""
    low, high = row[WIDTH - BINS - 2 : WIDTH - BINS]
    return Histogram(rounded(low, 6), rounded(high, 6), row[WIDTH - BINS :]) if low == low else None
