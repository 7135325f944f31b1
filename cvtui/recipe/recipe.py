"""What a run is asked to do, as data.

A recipe is one flat table: every command-line option is one field of the same name (hyphens for underscores). Choices
with parameters are written as calls: `normal(0.01)`, `step(30,60,90,factor=0.1)`, `adam(beta1=0.9)`.
"""

from __future__ import annotations

from typing import Literal

import msgspec


class Recipe(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    data: str = "digits"
    """The set: digits, shapes, a toy set such as spiral(3), mnist … stl10, folder:PATH or package.module:callable."""

    data_dir: str = ""
    """Where downloaded sets lie; empty: cvtui/data in the user's cache folder."""

    size: str = ""
    """Images of a folder are brought to H x W: 64, or 48x96; empty: 64."""

    val_share: float = 0.2
    """Share of the images held out for validation, where the set has no split of its own."""

    only: str = ""
    """The classes to tell apart, by name or number, with commas between; empty: all."""

    limit: int = 0
    """Train on at most so many images, of every class its share; 0: on all."""

    label_noise: float = 0.0
    """Share of the training labels that are replaced by another class."""

    imbalance: float = 1.0
    """Images of the rarest class / of the most frequent one; those between fall evenly in their logarithm."""

    augment: str = "none"
    """Random changes to training images, a chain of flip, shift(2), crop(4), rotate(15), cutout(8) and jitter(0.2)."""

    preprocess: str = "standardise"
    """Of the pixels: none, scale, centre, standardise, per-image or zca; all learn from training images only."""

    net: str = "[(conv32-bn-relu)*2-pool-drop0.25]*2-fc"
    """The net expression; a bare `fc` at the end has one output per class."""

    init: str = "he"
    """How weights begin: he, xavier, normal(std), orthogonal, lsuv … Biases begin at 0."""

    loss: str = "cross-entropy"
    """What is minimised: cross-entropy (of the softmax), hinge or mse."""

    optimizer: str = "adamw"
    """The update rule: sgd, momentum, nesterov, adagrad, rmsprop, adam, adamw or muon."""

    lr: float = 5e-3
    """Learning rate: the schedule's highest value."""

    momentum: float = 0.9
    """rho of `momentum` and `nesterov`: v = rho v + dx; 0 <= rho < 1."""

    weight_decay: float = 0.2
    """L2 term added to the gradient (decoupled in adamw and muon); not applied to biases and norms."""

    clip: float = 0.0
    """Longest gradient (2-norm over all parameters): longer ones are scaled down to it; 0: none are."""

    ema: float = 0.0
    """Decay of a running mean of the weights, which is then what is validated; 0: there is none."""

    scale_lr: int = 0
    """The batch size that `lr` was meant for: lr is multiplied by batch_size / scale_lr (Goyal 2017); 0: not."""

    schedule: str = "cosine"
    """lr over the run: constant, step, cosine, linear, inverse-sqrt, exponential, one-cycle …"""

    schedule_per: Literal["iteration", "epoch"] = "iteration"
    """Whether the rate moves at every iteration or once an epoch."""

    warmup: str = "0"
    """Linear warm-up from 0: a number of iterations (`500`) or of epochs (`2ep`)."""

    epochs: int = 20
    """Passes over the training set."""

    batch_size: int = 32
    """Images per step."""

    seed: int = 0
    """Seeds weights, order, augmentation and dropout: on a CPU one seed and one number of threads give one run, bit for
    bit; on a GPU one seed does, on one kind of GPU, where `deterministic` is on."""

    device: str = "auto"
    """auto, cpu, cuda, cuda:N or mps."""

    precision: Literal["float32", "bfloat16"] = "float32"
    """Of the forward pass; weights stay float32. Large nets are up to 1.7 times as fast in bfloat16 where the processor
    has it (AVX512-BF16, AMX), small ones no faster. NVIDIA GPUs since Ampere compute float32 convolutions in TF32 (10
    bits of mantissa), linear layers in float32: PyTorch's own default."""

    deterministic: Literal["on", "off"] = "on"
    """on or off. On an NVIDIA GPU cuDNN then takes only algorithms that give the same bits every time (a step takes up
    to 1.09 times as long). On a CPU it changes nothing."""

    threads: int = 0
    """CPU threads; 0 or auto: as many as prove quickest, one core left to the screen unless steps are long. Bits repeat
    with a fixed number."""

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
