"""Rows inside the records of `events`: layers, their statistics and rates, histograms."""

from __future__ import annotations

import msgspec


class Layer(msgspec.Struct, frozen=True, kw_only=True):
    """One row of the layer table: what is known of a layer before the run."""

    name: str
    expression: str
    output: list[int]
    """[H, W, C], or [N] when flat."""
    parameters: int
    macs: int
    """Multiply-accumulates of one image."""
    watched: bool = False
    """A `layers` record has a row of this name."""


class RateGroup(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Layers that train at one share of the learning rate, or not before an epoch."""

    factor: float
    """Their rate is this times the `lr` of each step."""
    layers: list[str]
    """Names of the modules whose parameters these are."""
    frozen: bool = False
    """They are not trained before the recipe's `unfreeze_at`; never, where that is 0."""


class GroupRates(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The learning rate of one parameter group over some steps, where an optimizer has several, or a loop several."""

    name: str
    """The group's own, else the module that all its parameters lie in, else its number; behind the optimizer's."""
    lr: list[float | None] = []
    """Of each step; left out where `rate` says all of it."""
    rate: float | None = None
    """Of all these steps, where it is one."""


class Histogram(msgspec.Struct, frozen=True):
    """Counts in 32 bins of equal width."""

    low: float
    high: float
    counts: list[int]
    """32 bins of equal width from `low` to `high`, over the finite values; where there are none, no histogram."""


class LayerStats(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One layer at one step: its outputs over the batch, its weights and their gradient."""

    name: str
    kind: str
    """conv, fc, relu, …, attention; of others the class's name in small letters. An activation that is a function
    (`F.relu`) has the name of the layer before it: `bn1/relu`."""
    mean: float | None
    std: float | None
    min: float | None
    max: float | None
    zeros: float | None
    """Share of outputs that are exactly 0."""
    saturated: float | None = None
    """Share with |tanh| > 0.97, or sigmoid outside 0.03..0.97; null for other layers."""
    dead: float | None = None
    """Share of channels that were 0 for every image of the last samples; null where the layer can't die."""
    histogram: Histogram | None = None
    grad_norm: float | None = None
    """2-norm of the weights' gradient; null without weights."""
    weight_norm: float | None = None
    update_ratio: float | None = None
    """‖weights after the step − before‖ / ‖weights before‖."""
    pinned: float | None = None
    """Share of a tanh's or sigmoid's outputs whose input lies beyond 5 on either side; null for other layers."""
    sampled: int | None = None
    """Of the layer's largest tensor, one value in n was looked at (some 2,000 at fixed places); null: all. `mean`,
    `dead`, `grad_norm` and `weight_norm` are exact over all values."""
    update_sampled: int | None = None
    """The update ratio is that of one weight in n (some 2,000 at fixed places); null: of all."""
    weight_mean: float | None = None
    weight_std: float | None = None
    weight_histogram: Histogram | None = None
    grad_zeros: float | None = None
    """Share of the weights' gradient that is exactly 0."""
    grad_histogram: Histogram | None = None
    running_mean_off: float | None = None
    """Batch norm in training: distance of the running mean from the batch's, in the batch's standard deviations (root
    mean square over channels)."""
    running_std_ratio: float | None = None
    """Batch norm in training: running standard deviation / the batch's (the median channel)."""
    entropy: float | None = None
    """Attention: mean entropy of what a query looks at, in nats, of the first image (at most 64 queries)."""
    one_token: float | None = None
    """Attention: share of heads whose queries give one token more than 0.9 of their weight on average."""
    output_norm: float | None = None
    """Attention: mean 2-norm of a token's output."""
    gates: dict[str, float] = {}
    """LSTM and GRU: how far each gate is open on average, 0..1: `input`, `forget`, `output`, or `reset`, `update`. Of
    the first layer, forward in time, over the first 16 steps of the first sequence."""
    stuck_gates: float | None = None
    """Share of those gates' values below 0.03 or above 0.97."""
    not_finite: dict[str, str] = {}
    """What nulls were: {"max": "inf", "mean": "nan"}; one that is not named was not looked at."""
