"""One layer's samples over time, as arrays to draw. No Textual here."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from cvtui.runlog.events import Histogram, LayerStats

if TYPE_CHECKING:
    from cvtui.runlog.history import History

Floats = NDArray[np.float64]

MOST_SAMPLES = 200
"""Spread evenly over the run: one is decoded in 0.1 to 1 ms."""
ROWS = 64


@dataclass(frozen=True)
class LayerSeries:
    name: str
    steps: Floats
    stats: list[LayerStats]

    def column(self, field: str) -> Floats:
        """One number a sample, NaN where it is missing."""
        values = [getattr(stats, field) for stats in self.stats]
        return np.array([np.nan if value is None else value for value in values], dtype=np.float64)

    def heat(self, field: str) -> tuple[Floats, float, float] | None:
        """(rows from the highest value down x samples: the share in each bin, as a square root), lowest, highest value.

        None where no sample has this histogram. What fastai calls `color_dim`, TensorBoard draws as ridges.
        """
        histograms = [getattr(stats, field) for stats in self.stats]
        known: list[Histogram] = [histogram for histogram in histograms if histogram is not None]
        if not known:
            return None
        low = float(np.percentile([histogram.low for histogram in known], 5))
        high = float(np.percentile([histogram.high for histogram in known], 95))
        if not high > low:
            low, high = low - 0.5, low + 0.5
        edges = np.linspace(low, high, ROWS + 1)
        picture = np.zeros((ROWS, len(histograms)))
        for column, histogram in enumerate(histograms):
            if histogram is not None:
                picture[::-1, column] = spread(histogram, edges)
        return np.sqrt(picture), low, high


def spread(histogram: Histogram, edges: Floats) -> Floats:
    """Return the share of values between the edges; a bin's count is spread evenly over its width."""
    counts = np.array(histogram.counts, dtype=np.float64)
    total = counts.sum()
    if not total:
        return np.zeros(len(edges) - 1)
    own = np.linspace(histogram.low, histogram.high, len(counts) + 1)
    below = np.interp(edges, own, np.concatenate([[0.0], np.cumsum(counts)]), left=0.0, right=total)
    return np.asarray(np.diff(below) / total, dtype=np.float64)


def layer_series(history: History, name: str, until: int | None = None) -> LayerSeries:
    """Return at most MOST_SAMPLES samples of a layer, up to step `until` if given."""
    steps = history.layer_steps
    if until is not None:
        steps = steps[: int(np.searchsorted(steps, until, side="right"))]
    if len(steps) > MOST_SAMPLES:
        steps = steps[np.unique(np.linspace(0, len(steps) - 1, MOST_SAMPLES).round().astype(np.int64))]
    chosen, stats = [], []
    for step in steps:
        sample = history.layers_at(int(step))
        layer = next((layer for layer in sample.layers if layer.name == name), None) if sample is not None else None
        if layer is not None:
            chosen.append(float(step))
            stats.append(layer)
    return LayerSeries(name, np.array(chosen), stats)


def layer_names(history: History) -> list[str]:
    """Return the layers of the latest sample, in the model's order."""
    sample = history.latest_layers
    return [layer.name for layer in sample.layers] if sample is not None else []
