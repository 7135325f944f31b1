"""Figures of the initialisation lab."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor
from torch.nn import functional as F

from cvtui.draw.figures import AnyFigure, Curve, Curves, HistogramRow, Histograms, Table
from cvtui.labs.report import round4
from cvtui.text import compact, percent

ACTIVATIONS = {
    "tanh": torch.tanh,
    "relu": torch.relu,
    "leakyrelu": F.leaky_relu,
    "sigmoid": torch.sigmoid,
    "gelu": F.gelu,
    "silu": F.silu,
    "elu": F.elu,
}


BINS = 32


@dataclass
class Variant:
    """One pair of activation and scheme on its way through the layers."""

    activation: str
    scheme: str
    outputs: list[Tensor] = field(default_factory=list)
    """h of each layer; the input first."""
    before: list[Tensor] = field(default_factory=list)
    """W h of each layer."""
    stds: list[float] = field(default_factory=list)
    means: list[float] = field(default_factory=list)
    gradients: list[float] = field(default_factory=list)
    """Root mean square of the loss's gradient at each layer's output, the last layer first."""

    of_weights: list[float] = field(default_factory=list)
    """The same of the gradient of each layer's weights: what arrives times what went in, summed over the inputs."""
    blocked: list[float] = field(default_factory=list)
    """Share of units that pass under 5 % of the gradient that arrives, the last layer first."""

    @property
    def name(self) -> str:
        return f"{self.activation} {self.scheme.removeprefix('normal-')}"

    @property
    def words(self) -> str:
        """Return the name for a sentence, where two numbers must not stand side by side."""
        return f"{self.activation}, {self.scheme.replace('normal-', 'weights of std ')}"


MOST_VALUES = 200_000
"""Of a layer, that a range is taken from."""


def column_range(outputs: Sequence[Tensor]) -> tuple[float, float]:
    """Return one range for all layers of a column: -1 to 1 where all values lie there, else to their outermost 0.1 %.

    One range, so that a column that collapses is seen to: each row on a range of its own looks like the others.
    """
    low, high = math.inf, -math.inf
    for output in outputs:
        flat = output.detach().flatten()
        flat = flat[:: max(1, len(flat) // MOST_VALUES)].float()
        ends = torch.quantile(flat, torch.tensor([0.001, 0.999]))
        low, high = min(low, float(ends[0])), max(high, float(ends[1]))
    if low >= -1.0 and high <= 1.0 and low < 0.0:
        low, high = -1.0, 1.0
    if not high > low:
        low, high = low - 0.5, high + 0.5
    return low, high


def histogram_row(values: Tensor, span: tuple[float, float], name: str, column: str, text: str) -> HistogramRow:
    """32 bins over the column's range; exact zeros, which ReLU makes of half of all values, are left out."""
    values = values.detach().flatten()
    low, high = span
    if low >= 0.0:
        values = values[values != 0]
    counts = torch.histc(values, BINS, low, high)
    return HistogramRow(
        name=name, low=low, high=high, counts=[int(count) for count in counts.tolist()], text=text, column=column
    )


def figures(ways: Sequence[Variant], names: Sequence[str] = ()) -> list[AnyFigure]:
    """Draw the histograms (first six layers and the last) and the gradient; `names`: of a net's layers."""
    spans = {way.name: column_range(way.outputs[1:] or way.outputs) for way in ways}
    rows = [
        histogram_row(
            output,
            spans[way.name],
            names[index] if names else f"layer {index + 1}",
            way.name,
            f"{mean:+z.2f} ± {std:.2f}" if std >= 0.005 else f"± {compact(std, 1)}",
        )
        for way in ways
        for index, (output, mean, std) in enumerate(zip(way.outputs[1:], way.means, way.stds, strict=False))
        if index < 6 or index == len(way.stds) - 1
    ]
    shown: list[AnyFigure] = [
        Histograms(
            title="Activations of each layer (mean ± std)",
            note="One range for each column"
            + ("; ReLU's exact zeros are left out" if any(low >= 0.0 for low, _ in spans.values()) else ""),
            rows=rows,
        )
    ]
    if any(way.gradients for way in ways):
        shown.append(_way_back(ways))
    if all(way.of_weights for way in ways):
        shown.append(_of_weights(ways))
    if all(way.blocked for way in ways):
        rows_of = [
            [way.name, percent(way.blocked[0]), percent(way.blocked[-1]), compact(way.gradients[-1], 2)] for way in ways
        ]
        shown.append(
            Table(
                title="Units that pass under 5 % of the gradient that arrives at them",
                columns=["", "last layer", "layer 1", "gradient at layer 1"],
                rows=rows_of,
            )
        )
    return shown


def _way_back(ways: Sequence[Variant]) -> Curves:
    """Draw the gradient on its way back through the layers."""
    depth = max((len(way.before) for way in ways), default=0)
    curves = [
        Curve(
            name=way.name,
            x=[float(depth - index) for index in range(len(way.gradients))][::-1],
            y=[round4(value) for value in way.gradients][::-1],
        )
        for way in ways
    ]
    return Curves(
        title="The gradient on its way back (root mean square; it begins with 1)",
        x_label="layer",
        whole_x=True,
        log_y=True,
        curves=curves,
    )


def _of_weights(ways: Sequence[Variant]) -> Table:
    """Tell what each layer's weights would learn by."""
    return Table(
        title="The gradient of a layer's weights (root mean square)",
        columns=["", "layer 1", "last layer"],
        rows=[[way.name, compact(way.of_weights[-1], 2), compact(way.of_weights[0], 2)] for way in ways],
    )
