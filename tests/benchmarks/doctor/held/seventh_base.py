"""What the programs of the seventh set share.

Each is a thread of GitHub that says what was wrong, or (`PRACTICE`) a mistake that practitioners tell of: `source` says
which. The code and the words are ours.
"""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from tests.benchmarks.doctor.held.case import Case

STILL = ("F02", "F36", "F37", "F19", "F18")
TOO_FAST = ("F01", "F31", "F30")
PRACTICE = "practice, no thread"


class PractisedCase(Case, abstract=True):
    """A program of the seventh set."""

    batch_of = "seventh"
    symptoms: ClassVar[tuple[str, ...]] = STILL
    count, steps_of, classes = 480, 135, 6


class Cosines(nn.Module):
    """Cosines between features and a vector a class; the true class's angle is widened while it trains."""

    def __init__(self, width: int, classes: int, scale: float = 12.0, margin: float = 0.2) -> None:
        super().__init__()
        self.centres = nn.Parameter(torch.randn(classes, width))
        self.scale, self.margin = scale, margin

    def forward(self, x: Tensor, labels: Tensor | None = None) -> Tensor:
        cosines = F.linear(F.normalize(x), F.normalize(self.centres))
        if labels is None:
            return self.scale * cosines
        angles = cosines.clamp(-1 + 1e-6, 1 - 1e-6).acos()
        wider = (angles + self.margin * F.one_hot(labels, cosines.shape[1])).cos()
        return self.scale * wider


class Embedder(nn.Module):
    """Two strided convolutions with batch norm, an embedding of 32."""

    def __init__(self, width: int = 32) -> None:
        super().__init__()
        self.c1, self.c2 = nn.Conv2d(3, 16, 3, 2, 1), nn.Conv2d(16, 32, 3, 2, 1)
        self.n1, self.n2 = nn.BatchNorm2d(16), nn.BatchNorm2d(32)
        self.out = nn.Linear(512, width)

    def forward(self, x: Tensor) -> Tensor:
        x = F.relu(self.n1(self.c1(x)))
        return self.out(F.relu(self.n2(self.c2(x))).flatten(1))


def soft_cross_entropy(outputs: Tensor, wanted: Tensor) -> Tensor:
    """Return the cross-entropy to rows of probabilities."""
    return -(wanted * outputs.log_softmax(1)).sum(1).mean()


class TokenNet(nn.Module):
    """Patches of 4x4 as tokens, a learned place each, two transformer layers, the mean of the tokens."""

    def __init__(self, classes: int, places: tuple[int, int], width: int = 48) -> None:
        super().__init__()
        self.patch = nn.Conv2d(3, width, 4, 4)
        self.places = nn.Parameter(torch.randn(*places, width))
        layer = nn.TransformerEncoderLayer(width, 4, 96, 0.0, batch_first=True, norm_first=True)
        self.body = nn.TransformerEncoder(layer, 2, enable_nested_tensor=False)
        self.head = nn.Linear(width, classes)

    def forward(self, x: Tensor) -> Tensor:
        tokens = self.patch(x).flatten(2).transpose(1, 2)
        return self.head(self.body(tokens + self.places[: len(x)]).mean(1))
