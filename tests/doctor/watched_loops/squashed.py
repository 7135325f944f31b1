"""Outputs that can't go where their loss wants them, each beside raw scores."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.optim import Adam

from tests.doctor.watched_loops.loop import CLASSES, Loop


def signs(y: Tensor) -> Tensor:
    return 2.0 * F.one_hot(y, CLASSES) - 1


class RawUnderMargin(Loop):
    epochs = 3

    def loss(self, outputs: Tensor, y: Tensor) -> Tensor:
        return F.soft_margin_loss(outputs, signs(y))


def hinge(outputs: Tensor, y: Tensor) -> Tensor:
    return (1 - signs(y) * outputs).clamp_min(0).mean()


class RawUnderHinge(RawUnderMargin):
    def loss(self, outputs: Tensor, y: Tensor) -> Tensor:
        return hinge(outputs, y)


class SigmoidUnderMargin(RawUnderMargin):
    def optimizer_of(self, model: nn.Module) -> torch.optim.Optimizer:
        return Adam(model.parameters(), lr=5e-4)  # (at more it learns these clouds all the same)

    def net(self) -> nn.Module:
        return nn.Sequential(super().net(), nn.Sigmoid())


class SigmoidUnderHinge(SigmoidUnderMargin):
    def loss(self, outputs: Tensor, y: Tensor) -> Tensor:
        return hinge(outputs, y)


class ReluUnderMargin(Loop):
    def net(self) -> nn.Module:
        return nn.Sequential(super().net(), nn.ReLU())

    def loss(self, outputs: Tensor, y: Tensor) -> Tensor:
        return F.multi_margin_loss(outputs, y)


class TanhUnderLogits(Loop):
    scale = 1.0

    def answers(self, x: Tensor) -> Tensor:
        return torch.tanh(super().answers(x)) * self.scale if self.scale != 1 else super().answers(x)

    def net(self) -> nn.Module:
        return nn.Sequential(super().net(), nn.Tanh()) if self.scale == 1 else super().net()

    def loss(self, outputs: Tensor, y: Tensor) -> Tensor:
        return F.binary_cross_entropy_with_logits(outputs, F.one_hot(y, CLASSES).float())


class TanhTimesTen(TanhUnderLogits):
    scale = 10.0


class RawUnderKl(Loop):
    def loss(self, outputs: Tensor, y: Tensor) -> Tensor:
        return F.kl_div(outputs, F.one_hot(y, CLASSES).float(), reduction="batchmean")


class SoftmaxOfOneByHand(Loop):
    """Two classes, one output: a softmax under a hinge."""

    outputs = 1

    def net(self) -> nn.Module:
        return nn.Sequential(super().net(), nn.Softmax(1))

    def loss(self, outputs: Tensor, y: Tensor) -> Tensor:
        return (1 - (2.0 * (y % 2) - 1) * outputs[:, 0]).clamp_min(0).mean()

    def right(self, outputs: Tensor, y: Tensor) -> Tensor:
        return ((outputs[:, 0] > 0.5).long() == y % 2).float().mean()


class HalfACrossEntropy(SoftmaxOfOneByHand):
    """The term of class 0 is missing."""

    def net(self) -> nn.Module:
        return nn.Sequential(Loop.net(self), nn.Sigmoid())

    def loss(self, outputs: Tensor, y: Tensor) -> Tensor:
        return -((y % 2) * torch.log(outputs[:, 0] + 1e-7)).mean()


class WholeCrossEntropy(HalfACrossEntropy):
    def loss(self, outputs: Tensor, y: Tensor) -> Tensor:
        return super().loss(outputs, y) + super().loss(1 - outputs, 1 - y)
