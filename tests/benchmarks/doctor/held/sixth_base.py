"""What the programs of the sixth set share.

Each is a question that somebody asked and an answer to it, or an entry of a list of common mistakes: `source` says
which. The code and the words are ours.
"""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from tests.benchmarks.doctor.held.case import Case
from tests.benchmarks.doctor.real import parts
from tests.benchmarks.doctor.real.parts import Data

STILL = ("F02", "F36", "F37", "F19", "F18")
LIST_OF_NETS = "stats.stackexchange 352036 (what to do when a net doesn't learn)"
REASONS = "blog.slavv.com, 37 reasons why a net is not working"
RECIPE = "karpathy.github.io 2019/04/25, a recipe for training nets, and its author's list of common mistakes"


class AskedCase(Case, abstract=True):
    """A program of the sixth set."""

    batch_of = "sixth"
    symptoms: ClassVar[tuple[str, ...]] = STILL
    count, steps_of, classes = 480, 135, 6


class DigitCase(AskedCase, abstract=True):
    """Digits of 16x16, grey, of ten classes."""

    shape, classes = (1, 16, 16), 10

    def data(self) -> Data:
        images, labels, more, their = parts.digits(16)
        return self.spoiled((images[:960], labels[:960], more, their))


class KerasCase(AskedCase, abstract=True):
    """A port from Keras: the loss takes probabilities."""

    def loss(self, outputs: Tensor, y: Tensor) -> Tensor:
        return parts.keras_crossentropy(outputs, y)


class KerasBinary(AskedCase, abstract=True):
    """A port from Keras: two classes, one output, binary cross-entropy."""

    classes = 2

    def loss(self, outputs: Tensor, y: Tensor) -> Tensor:
        return parts.keras_binary(outputs, y)


class OneLogitCase(AskedCase, abstract=True):
    """Two classes, one raw score; above 0 is class 1."""

    classes = 2

    def share(self, outputs: Tensor, labels: Tensor) -> Tensor:
        return ((outputs.reshape(-1) > 0).long() == labels).float().mean()

    def loss(self, outputs: Tensor, y: Tensor) -> Tensor:
        return F.binary_cross_entropy_with_logits(outputs[:, 0], y.float())

    def validated(self, model: nn.Module, images: Tensor, labels: Tensor) -> tuple[float, float, float]:
        outputs = model(images)
        true = ((outputs.reshape(-1) > 0).long() == labels).float().mean().item()
        return self.loss(outputs, labels).item(), self.share(outputs, labels).item(), true


def keras_cnn(outputs: int, *behind: nn.Module, channels: int = 3, drop: float = 0.0) -> nn.Sequential:
    """Three convolutions with ReLU and two pools, a hidden layer, dropout: what Keras's examples are made of."""
    return nn.Sequential(
        nn.Conv2d(channels, 24, 3), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(24, 24, 3), nn.ReLU(),
        nn.Conv2d(24, 32, 3), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(32, 64), nn.ReLU(),
        *([nn.Dropout(drop)] if drop else []), nn.Linear(64, outputs), *behind,
    )  # fmt: skip


class LongDense(nn.Module):
    """Maps side by side with those before them, two pools, a hidden layer, grey 16x16 in."""

    def __init__(self, classes: int, channels: int = 1) -> None:
        super().__init__()
        widths = (channels, 12, 12 + channels)
        self.first, self.second = nn.Conv2d(channels, 12, 3, padding=1), nn.Conv2d(widths[2], 16, 3, padding=1)
        self.third = nn.Conv2d(16 + widths[2], 24, 3, padding=1)
        self.hidden, self.out = nn.Linear(24 * 16, 64), nn.Linear(64, classes)

    def forward(self, x: Tensor) -> Tensor:
        x = torch.cat([x, F.relu(self.first(x))], 1)
        x = F.max_pool2d(torch.cat([x, F.relu(self.second(x))], 1), 2)
        x = F.max_pool2d(F.relu(self.third(x)), 2).flatten(1)
        return self.out(F.relu(self.hidden(x)))
