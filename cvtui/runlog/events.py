"""What a run did: one record a line in `events.jsonl`, told apart by `type`. The field list is the schema.

Numbers are finite or null: a NaN is written as null and said in words by the record `end` or `log`. A reader keeps
what it doesn't know and never fails on a newer minor version. `time` is Unix time in seconds; steps count from 0
(`step` of a record that follows training is the number of steps done), epochs from 1.
"""

from __future__ import annotations

from typing import Any, Literal

import msgspec

FORMAT_VERSION = "1.0"


class Record(msgspec.Struct, tag_field="type", frozen=True, kw_only=True, omit_defaults=True):
    pass


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


class RunStarted(Record, tag="run", frozen=True, kw_only=True):
    """The first record of each process that works on the folder (a second one follows a resume)."""

    version: str = FORMAT_VERSION
    time: float
    recipe: dict[str, Any]
    """Every field of the recipe with its value."""
    layers: list[Layer]
    parameters: int
    steps_per_epoch: int
    total_steps: int
    device: str
    threads: int
    libraries: dict[str, str]
    """python, torch, torchvision, cvtui: versions."""
    data: dict[str, Any]
    """`classes` (names), `train`, `validation` (image counts), `input` [H, W, C],
    per-channel `mean` and `std` in 0..255."""
    step: int | None = None
    """Steps already done: the checkpoint's after a resume. Readers forget what was recorded after it."""
    prediction: dict[str, Any] = {}
    """What was foretold: `first_loss` (ln C), `start_loss` (of the first batch, with the weights as drawn),
    `activation_std` {layer: std of the first batch}, `memory` (bytes)."""


class Steps(Record, tag="steps", frozen=True, kw_only=True):
    """Some steps in a row, in parallel lists; entry i belongs to step `first` + i."""

    first: int
    loss: list[float | None]
    """Mean training loss of the batch; null where it was not finite."""
    lr: list[float]
    accuracy: list[float | None] = []
    """Share of the batch that was right, 0..1."""
    grad_norm: list[float | None] = []
    """2-norm over all parameters, before clipping."""
    seconds: list[float] = []
    """Time since the run began, pauses not counted."""


class EpochDone(Record, tag="epoch", frozen=True, kw_only=True):
    epoch: int
    """From 1."""
    step: int
    """Steps done so far."""
    time: float
    train_loss: float | None
    """Mean over the epoch's batches, measured while the weights moved."""
    train_accuracy: float | None
    val_loss: float | None
    val_accuracy: float | None
    seconds: float
    """Since the run began, pauses not counted."""
    images_per_second: float
    confusion: list[list[int]] = []
    """Validation: row the true class, column the predicted one."""
    best: bool = False
    """The best validation accuracy so far."""


class Histogram(msgspec.Struct, frozen=True):
    low: float
    high: float
    counts: list[int]
    """32 bins of equal width from `low` to `high`, over the finite values; where there are none, no histogram."""


class LayerStats(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    name: str
    kind: str
    """conv, fc, relu, …"""
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
    sampled: int | None = None
    """The histograms are made of every n-th value (at most 16,384); null: of all. Everything else is exact."""
    weight_mean: float | None = None
    weight_std: float | None = None
    weight_histogram: Histogram | None = None
    grad_zeros: float | None = None
    """Share of the weights' gradient that is exactly 0."""
    grad_histogram: Histogram | None = None


class LayersSampled(Record, tag="layers", frozen=True, kw_only=True):
    step: int
    layers: list[LayerStats]
    watch_cost: float | None = None
    """Share of the training time that watching has taken so far, 0..1."""


class PictureSaved(Record, tag="picture", frozen=True, kw_only=True):
    step: int
    name: str
    path: str
    """Relative to the run folder."""
    note: str = ""
    columns: int = 1
    """Tiles in a row of the picture (they are one pixel apart)."""


class CheckpointSaved(Record, tag="checkpoint", frozen=True, kw_only=True):
    step: int
    epoch: int
    path: str
    reason: Literal["last", "best", "asked", "epoch", "stop"]
    val_accuracy: float | None = None


class CommandApplied(Record, tag="command", frozen=True, kw_only=True):
    step: int
    time: float
    command: str
    """pause, resume, set_lr, save or stop."""
    value: float | None = None
    words: str = ""
    """For the mark on the curves: "rate 0.01 → 0.001"."""


class Finding(Record, tag="finding", frozen=True, kw_only=True):
    step: int
    id: str
    severity: Literal["stop", "warn", "note"]
    sentence: str
    layer: str = ""
    evidence: str = ""


class Log(Record, tag="log", frozen=True, kw_only=True):
    time: float
    text: str
    level: Literal["info", "warning", "error"] = "info"
    step: int | None = None


class RunEnded(Record, tag="end", frozen=True, kw_only=True):
    """Once, last."""

    time: float
    step: int
    status: Literal["finished", "stopped", "diverged", "failed"]
    reason: str = ""


AnyRecord = (
    RunStarted
    | Steps
    | EpochDone
    | LayersSampled
    | PictureSaved
    | CheckpointSaved
    | CommandApplied
    | Finding
    | Log
    | RunEnded
)


class Command(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One line of `commands.jsonl`: what was asked of a run while it ran."""

    command: Literal["pause", "resume", "set_lr", "save", "stop"]
    time: float
    value: float | None = None
    """The new rate for `set_lr`."""
