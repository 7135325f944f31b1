"""What a sampled step copied of one layer."""

from __future__ import annotations

import math
from collections.abc import Sequence

from torch import Tensor

from cvtui.engine.observe.gathered import share
from cvtui.engine.observe.layer_extras import Later, RunningStatistics
from cvtui.engine.observe.statistics import Number


class LayerRows:
    """What a step copied of one layer: gathered values, and exact numbers (scalars); all on its device."""

    # (No dataclass: a step makes one a layer, which sets three of these.)
    output: Tensor | None = None
    gradient: Tensor | None = None
    before: Tensor | None = None
    """Of the weights, before the update."""
    weights: Tensor | None = None
    """And after it, at the same places."""
    size: int = 0
    """Values of the output, where more than were gathered."""
    total: Tensor | None = None
    """Their exact sum; None where it is that of `channels`."""
    channels: Tensor | None = None
    """Of a ReLU: the sum of each channel."""
    alive: Sequence[Tensor] = ()
    """Living channels in each of the last samples."""
    learnt_size: int = 0
    """Values of the weights."""
    running: RunningStatistics | None = None
    """Of a batch norm: before and after the step."""
    later: Later | None = None
    """Of an attention: what is worked out when the log is flushed."""
    described: bool = True
    """Its weights and their gradient have histograms: not those of a norm, one number a channel."""

    def __init__(
        self, name: str, kind: str, output: Tensor | None = None, *, described: bool = True, later: Later | None = None
    ) -> None:
        self.name, self.kind = name, kind
        self.numbers: dict[str, Number] = {}
        """Exact: grad_norm, weight_norm; and the mean, once the log is flushed."""
        if output is not None:
            self.output = output
        if not described:
            self.described = False
        if later is not None:
            self.later = later

    def rows(self) -> list[Tensor]:
        """Return what is described: gathered values of the output, the gradient, the weights."""
        rows = (self.output, *((self.gradient, self.weights) if self.described else ()))
        return [row for row in rows if row is not None]

    def exact_sum(self) -> Number:
        """Return the sum of the output's values."""
        if self.total is None and self.channels is not None:
            return self.channels.sum()
        return math.nan if self.total is None else self.total

    @property
    def sampled(self) -> int | None:
        """One value in how many was taken."""
        return max(share(self.size) or 0, self._of_weights() or 0) or None

    @property
    def update_sampled(self) -> int | None:
        return None if self.before is None else self._of_weights()

    def _of_weights(self) -> int | None:
        row = self.before if self.weights is None else self.weights
        return None if row is None or len(row) == self.learnt_size else round(self.learnt_size / len(row))


def together(kind: str, output: LayerRows | None, learnt: LayerRows) -> LayerRows:
    """Join what was seen of a layer's outputs and of its weights."""
    if output is None:
        learnt.kind = kind
        return learnt
    output.gradient, output.before, output.weights = learnt.gradient, learnt.before, learnt.weights
    output.numbers |= learnt.numbers
    output.learnt_size, output.described = learnt.learnt_size, learnt.described
    return output
