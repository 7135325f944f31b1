"""What the programs of the third set share."""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor, nn

from tests.benchmarks.doctor.held.case import Case

STILL = ("F02", "F36", "F37", "F19", "F18")


class ThirdCase(Case, abstract=True):
    """A program of the third set: ports from Keras, tutorials, fine-tuning scripts, competition scripts."""

    batch_of = "third"
    symptoms: ClassVar[tuple[str, ...]] = STILL


class SeveralLabels(ThirdCase, abstract=True):
    """Three properties of an image, each by itself."""

    classes, patterns = 3, 8
    tells_labels = False

    def bits(self, y: Tensor) -> Tensor:
        return torch.stack([(y >> place) & 1 for place in range(3)], 1).float()

    def share(self, outputs: Tensor, labels: Tensor) -> Tensor:
        return ((outputs > 0) == self.bits(labels).bool()).float().mean()

    def validated(self, model: nn.Module, images: Tensor, labels: Tensor) -> tuple[float, float, float]:
        outputs = model(images)
        share = self.share(outputs, labels).item()
        return self.loss(outputs, labels).item(), share, share
