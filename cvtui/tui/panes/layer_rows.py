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
from cvtui.runlog.kinds import group_of
from cvtui.text import clean, percent, significant

if TYPE_CHECKING:
    from cvtui.runlog.events import Histogram, Layer, LayerStats
    from cvtui.runlog.history import History

GROUPS = ("weights", "activations", "norms", "attention", "other")
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
    unseen: str = ""
    """Why its output was not seen."""
    rate: str = ""
    """Its share of the learning rate, where parts differ: "0.1x", "frozen", "ep 5: 0.1x" (frozen until epoch 5)."""

    @property
    def group(self) -> str:
        """weights, activations, norms, attention or other."""
        return group_of(self.stats.kind if self.stats is not None else self.expression.partition("(")[0].lower())

    @property
    def label(self) -> str:
        """Its name; with the class where that is a mere number, as in a Sequential: `0 Conv2d`."""
        kind, opened, _ = self.expression.partition("(")
        return f"{self.name} {kind}" if opened and self.name.rpartition(".")[2].isdecimal() else self.name

    @property
    def searched(self) -> str:
        """What the filter looks at, in small letters."""
        kind = self.stats.kind if self.stats is not None else ""
        state = {"warn": "check", "bad": "check bad"}.get(self.health.level, "unseen" if self.unseen else "")
        return f"{self.name} {kind} {self.expression} {self.group} {state}".lower()


def layer_rows(history: History, step: int | None = None) -> tuple[list[LayerRow], int | None]:
    """Every layer of the run in order, and the step that the statistics are from (None: there are none yet).

    They are the latest at or before `step`, or of all. Further calls of a layer (`act#2`) and activations that are
    functions (`bn1/relu`) follow the layer that they are named after.
    """
    run = history.run
    sampled = history.latest_layers if step is None else history.layers_at(step)
    stats = {} if sampled is None else {layer.name: layer for layer in sampled.layers}
    unseen = {} if sampled is None else sampled.unseen
    predicted = predicted_stds(history)
    rates = shares_of_rate(history)
    known: list[Layer] = [] if run is None else run.layers
    rows = []
    after: dict[str, list[LayerStats]] = {}
    names = {layer.name for layer in known}
    for name in [name for name in stats if name not in names]:
        base = name.partition("#")[0]
        base = base if base in names else base.partition("/")[0]
        if base in names:
            after.setdefault(base, []).append(stats.pop(name))
    sizes = {} if history.facts is None else history.facts.output_sizes
    for layer in known:
        output = layer.output or sizes.get(layer.name, [])
        own, std, why = stats.pop(layer.name, None), predicted.get(layer.name), unseen.get(layer.name, "")
        rows.append(_row(layer.name, layer.expression, output, own, std, why, rates.get(layer.name, "")))
        rows += [_row(one.name, one.kind, [], one, None, "") for one in after.get(layer.name, ())]
    for name, one in stats.items():  # a custom loop may log no layer table
        rows.append(_row(name, one.kind, [], one, predicted.get(name), unseen.get(name, "")))
    return rows, None if sampled is None else sampled.step


def _row(
    name: str, expression: str, output: list[int], stats: LayerStats | None, std: float | None, why: str, rate: str = ""
) -> LayerRow:
    gauge = health(stats, std) if not why or (stats is not None and stats.mean is not None) else Health("none")
    return LayerRow(clean(name), clean(expression), output, stats, std, gauge, clean(why), rate)


def filtered(rows: list[LayerRow], words: str, group: str = "") -> list[LayerRow]:
    """Keep the rows of a group ("": all) that hold every word in name, kind, expression, group or health."""
    asked = words.lower().split()
    return [row for row in rows if (not group or row.group == group) and all(word in row.searched for word in asked)]


def groups(rows: list[LayerRow]) -> list[str]:
    """Return the groups that the rows are of, in a fixed order."""
    there = {row.group for row in rows}
    return [name for name in GROUPS if name in there]


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
    (healthy ones are about 1e-3, and up to 0.07; a norm's scales may begin at 0 and are left out).
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
    if stats.std == 0 and stats.weight_norm != 0:  # a norm or a head that begins at 0 does so by design
        return Health("bad", "mean", "its output is the same for all images")
    if stats.zeros is not None and stats.zeros >= 0.98 and stats.weight_norm != 0:
        return Health("warn", "zeros", f"{percent(stats.zeros, 0)} of its outputs are 0")
    return None


def _weight_health(stats: LayerStats) -> Health | None:
    if stats.grad_norm is not None and stats.grad_norm == 0:
        return Health("warn", "gradient", "no gradient reaches its weights")
    if stats.update_ratio is not None and stats.update_ratio > 0.1 and group_of(stats.kind) != "norms":
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
