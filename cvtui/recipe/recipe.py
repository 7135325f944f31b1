"""What a run is asked to do, as data.

A recipe is one flat table: every command-line option is one field of the same name (hyphens for underscores). Choices
with parameters are written as calls: `normal(0.01)`, `step(30,60,90,factor=0.1)`, `adam(beta1=0.9)`.
"""

from __future__ import annotations

from typing import Literal

import msgspec


class Recipe(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    data: str = "digits"
    """The image set: digits or shapes."""

    preprocess: str = "standardise"
    """What is done to the pixels: none, scale, centre or standardise; statistics come from the training split only."""

    net: str = "[(conv32-bn-relu)*2-pool-drop0.25]*2-fc"
    """The net expression; a bare `fc` at the end has one output per class."""

    init: str = "he"
    """How weights begin: he, xavier or normal(std). Biases begin at 0."""

    loss: str = "cross-entropy"
    """What is minimised: cross-entropy (of the softmax)."""

    optimizer: str = "adamw"
    """The update rule: sgd, momentum, adam or adamw."""

    lr: float = 5e-3
    """Learning rate: the schedule's highest value."""

    momentum: float = 0.9
    """rho of `momentum`: v = rho v + dx; 0 <= rho < 1."""

    weight_decay: float = 0.2
    """L2 term added to the gradient (decoupled in adamw); not applied to biases and norms."""

    schedule: str = "cosine"
    """lr over the run: constant, step, cosine, linear, inverse-sqrt, exponential, one-cycle or cosine-restarts."""

    schedule_per: Literal["iteration", "epoch"] = "iteration"
    """Whether the rate moves at every iteration or once an epoch."""

    warmup: str = "0"
    """Linear warm-up from 0: a number of iterations (`500`) or of epochs (`2ep`)."""

    epochs: int = 20
    """Passes over the training set."""

    batch_size: int = 32
    """Images per step."""

    seed: int = 0
    """Seeds weights, order, augmentation and dropout: one seed and one number of threads give one run, bit for bit."""

    device: str = "auto"
    """auto, cpu, cuda, cuda:N or mps."""

    precision: Literal["float32", "bfloat16"] = "float32"
    """Of the forward pass; weights stay float32."""

    threads: int = 0
    """CPU threads of the training; 0: one for a small net, for larger ones up to all cores but one (the screen's)."""

    watch_every: int = 10
    """Layer statistics at every Nth step; 0 is never."""

    keep: str = "last,best"
    """Checkpoints that stay: last, best, every=N (epochs)."""

    save_every: str = ""
    """Besides, last.pt is written in so much time: 30s, 5m or 1h; empty: at the end of each epoch alone."""

    on_nan: str = "stop"
    """What a loss or gradient that is NaN or infinite does: stop, skip or continue."""

    name: str = ""
    """The run folder's name; empty: made of date, data and net."""
