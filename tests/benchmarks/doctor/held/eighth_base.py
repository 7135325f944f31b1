"""What the programs of the eighth set share.

Each is a question of a beginner: `source` says where it was read, with what was said to be wrong, or (`BY_ARITHMETIC`)
that the page shows no answer and the cause follows from the program, or (`CLASSIC`) that it is a question which comes
again and again, from memory. The code and the words are ours.
"""

from __future__ import annotations

from typing import Any, ClassVar

from torch import Tensor, nn

from tests.benchmarks.doctor.held.case import Case
from tests.benchmarks.doctor.real import parts
from tests.benchmarks.doctor.real.parts import Data

STILL = ("F02", "F36", "F37", "F19", "F18")
TOO_FAST = ("F01", "F31", "F30")
BY_ARITHMETIC = "by arithmetic"
CLASSIC = "a question that comes again and again, from memory"


class BeginnersCase(Case, abstract=True):
    """A program of the eighth set: pixels of 0..1, as `rescale=1/255` and ToTensor leave them."""

    batch_of = "eighth"
    symptoms: ClassVar[tuple[str, ...]] = STILL
    count, steps_of, classes = 480, 150, 6

    def data(self) -> Data:
        kinds = self.patterns or self.classes
        return self.spoiled(parts.pictures(self.shape, kinds, count=self.count, noise=self.noise))


class WrittenDigits(BeginnersCase, abstract=True):
    """Digits of 16x16, grey, of ten classes."""

    shape, classes = (1, 16, 16), 10
    side: ClassVar[int] = 16

    def data(self) -> Data:
        images, labels, more, their = parts.digits(self.side)
        return self.spoiled((images[:960], labels[:960], more, their))


class OneShare(BeginnersCase, abstract=True):
    """Two classes, one output, Keras's binary cross-entropy: above one half is class 1."""

    classes = 2
    optim: ClassVar[tuple[str, dict[str, Any]]] = ("RMSprop", {"lr": 1e-3, "alpha": 0.9})

    def loss(self, outputs: Tensor, y: Tensor) -> Tensor:
        return parts.keras_binary(outputs, y)


class Shares(BeginnersCase, abstract=True):
    """Keras's cross-entropy of shares of classes."""

    def loss(self, outputs: Tensor, y: Tensor) -> Tensor:
        return parts.keras_crossentropy(outputs, y)


def chollet(*behind: nn.Module, outputs: int = 1, channels: int = 3, drop: float = 0.0) -> nn.Sequential:
    """Return the net of the cats-and-dogs tutorial, made small: convolutions, pools, a hidden layer, 16x16 in."""
    return nn.Sequential(
        nn.Conv2d(channels, 16, 3), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(16, 32, 3), nn.ReLU(), nn.MaxPool2d(2),
        nn.Flatten(), nn.Linear(128, 64), nn.ReLU(), *([nn.Dropout(drop)] if drop else []), nn.Linear(64, outputs),
        *behind,
    )  # fmt: skip


def glorot(net: nn.Module) -> nn.Module:
    """Draw weights as Keras does: Glorot's uniform distribution, biases 0."""
    for layer in net.modules():
        if isinstance(layer, nn.Conv2d | nn.Linear):
            nn.init.xavier_uniform_(layer.weight)
            if layer.bias is not None:
                nn.init.zeros_(layer.bias)
    return net


def rounded_share(outputs: Tensor, labels: Tensor) -> Tensor:
    """Keras's binary accuracy: the output above one half is 1, and is compared with the label as it is."""
    return ((outputs[:, 0] > 0.5).to(labels.dtype) == labels).float().mean()
