"""Rows of the layers table as plain data: statistics joined with what is known of the layers, and their health.

The health is a gauge for the eye (a glyph, a colour, a few words), with wide limits that a healthy run stays inside.
What is wrong and why is the doctor's business.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

from cvtui.draw.blocks import resample, upright
from cvtui.text import clean, percent, significant

if TYPE_CHECKING:
    from cvtui.runlog.events import Histogram, Layer, LayerStats
    from cvtui.runlog.history import History

Level = Literal["good", "warn", "bad", "none"]


@dataclass(frozen=True, slots=True)
class Health:
    """How a layer is, the column that says so, and in words ("" when all is well)."""

    level: Level
    column: str = ""
    problem: str = ""


@dataclass(frozen=True, slots=True)
class LayerRow:
    name: str
    expression: str
    output: list[int]
    stats: LayerStats | None
    """None for a layer that is not watched, or before the first sample."""
    predicted_std: float | None
    health: Health
    rate: str = ""
    """Its share of the learning rate, where parts differ: "0.1x", "frozen", "ep 5: 0.1x" (frozen until epoch 5)."""


def layer_rows(history: History, step: int | None = None) -> tuple[list[LayerRow], int | None]:
    """Every layer of the run in order, and the step that the statistics are from (None: there are none yet).

    They are the latest at or before `step`, or of all.
    """
    run = history.run
    sampled = history.latest_layers if step is None else history.layers_at(step)
    stats = {} if sampled is None else {layer.name: layer for layer in sampled.layers}
    predicted = predicted_stds(history)
    rates = shares_of_rate(history)
    known: list[Layer] = [] if run is None else run.layers
    rows = []
    for layer in known:
        layer_stats = stats.pop(layer.name, None)
        std = predicted.get(layer.name)
        rows.append(
            LayerRow(
                clean(layer.name),
                clean(layer.expression),
                layer.output,
                layer_stats,
                std,
                health(layer_stats, std),
                rates.get(layer.name, ""),
            )
        )
    for name, layer_stats in stats.items():  # a custom loop may log no layer table
        rows.append(
            LayerRow(
                clean(name),
                clean(layer_stats.kind),
                [],
                layer_stats,
                predicted.get(name),
                health(layer_stats, predicted.get(name)),
            )
        )
    return rows, None if sampled is None else sampled.step


def shares_of_rate(history: History) -> dict[str, str]:
    """Return {layer: its share of the learning rate} in words; {} where all train at one rate."""
    run = history.run
    if run is None:
        return {}
    at = thaws_at(history)
    epoch = run.recipe.get("unfreeze_at")
    found: dict[str, str] = {}
    for group in run.rates:
        text = f"{group.factor:.3g}x"
        if group.frozen and (at is None or history.steps_done <= at):
            text = "frozen" if at is None else f"ep {epoch}: {text}"
        for layer in group.layers:
            found[layer] = text if found.get(layer, text) == text else "several"
    return found


def thaws_at(history: History) -> int | None:
    """Return the step from which on frozen layers are trained; None where they stay frozen."""
    run = history.run
    at = run.recipe.get("unfreeze_at") if run is not None else None
    if run is None or not isinstance(at, int) or at < 2:
        return None
    return (at - 1) * run.steps_per_epoch - run.shift


def predicted_stds(history: History) -> dict[str, float]:
    """Return {layer: std of its output at the first batch} as predicted at the start; {} if unknown."""
    stds = history.run.prediction.get("activation_std") if history.run is not None else None
    if not isinstance(stds, dict):
        return {}
    return {str(name): float(std) for name, std in stds.items() if isinstance(std, int | float) and std is not None}


def health(stats: LayerStats | None, predicted_std: float | None) -> Health:
    """Return the most serious health problem of a layer.

    Limits: half of all channels dead is worth a look, four fifths are bad (in the first batches of healthy nets a third
    may be silent); of tanh or sigmoid outputs 30 and 50 % saturated. Worth a look, too: a std that is 30 times off the
    one predicted at the start, no gradient at all, and an update of more than a tenth of the weights in one step
    (healthy ones are about 1e-3, and up to 0.07).
    """
    if stats is None:
        return Health("none")
    return _output_health(stats) or _weight_health(stats) or _std_health(stats, predicted_std) or Health("good")


def _output_health(stats: LayerStats) -> Health | None:
    if stats.mean is None or stats.std is None:
        return Health("bad", "mean", "its output is not finite")
    if stats.dead is not None and stats.dead >= 0.5:
        problem = f"{percent(stats.dead, 0)} of its channels are dead"
        return Health("bad" if stats.dead >= 0.8 else "warn", "dead", problem)
    if stats.saturated is not None and stats.saturated >= 0.3:
        problem = f"{percent(stats.saturated, 0)} of its outputs are saturated"
        return Health("bad" if stats.saturated >= 0.5 else "warn", "saturated", problem)
    if stats.std == 0:
        return Health("bad", "mean", "its output is the same for all images")
    if stats.zeros is not None and stats.zeros >= 0.98:
        return Health("warn", "zeros", f"{percent(stats.zeros, 0)} of its outputs are 0")
    return None


def _weight_health(stats: LayerStats) -> Health | None:
    if stats.grad_norm is not None and stats.grad_norm == 0:
        return Health("warn", "gradient", "no gradient reaches its weights")
    if stats.update_ratio is not None and stats.update_ratio > 0.1:
        size = f"{significant(stats.update_ratio, 2)} times their size"
        return Health("warn", "update", f"one step moves its weights by {size}")
    return None


def _std_health(stats: LayerStats, predicted_std: float | None) -> Health | None:
    if stats.std is not None and predicted_std and math.isfinite(predicted_std):
        factor = stats.std / predicted_std
        if factor > 30 or factor < 1 / 30:
            return Health("warn", "mean", f"its std is {significant(factor, 2)} times the predicted one")
    return None


def strip(histogram: Histogram, width: int) -> tuple[str, int]:
    """Return a histogram as `width` eighth blocks, and how many of them lie left of zero.

    Heights go with the square root of the counts: beside a ReLU's bar of zeros the rest would else be flat.
    """
    if not histogram.counts or width <= 0:
        return " " * width, 0
    bars = upright(np.sqrt(resample(histogram.counts, width)))
    span = histogram.high - histogram.low
    if span <= 0:
        return bars, width if histogram.high < 0 else 0
    return bars, min(width, max(0, round(-histogram.low / span * width)))
