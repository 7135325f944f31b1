"""Loops whose outputs do not fit their loss or their accuracy, each beside a sound one."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.optim import Adam

from tests.doctor.watched_loops.loop import CLASSES, Loop


class TooManyOutputs(Loop):
    outputs = 20


class FromOneOn(Loop):
    outputs = CLASSES + 1

    def loss(self, outputs: Tensor, y: Tensor) -> Tensor:
        return F.cross_entropy(outputs, y + 1)

    def right(self, outputs: Tensor, y: Tensor) -> Tensor:
        return (outputs.argmax(1) == y + 1).float().mean()


class ReluScores(Loop):
    def net(self) -> nn.Module:
        return nn.Sequential(nn.Linear(12, 24), nn.ReLU(), nn.Linear(24, CLASSES), nn.ReLU())


class SquaredHinge(Loop):
    """The ReLU is the loss's own."""

    def loss(self, outputs: Tensor, y: Tensor) -> Tensor:
        return F.relu(1 - outputs * (2 * F.one_hot(y, CLASSES) - 1)).pow(2).mean()


class OneOutput(Loop):
    """Two classes and one logit."""

    outputs = 1

    def loss(self, outputs: Tensor, y: Tensor) -> Tensor:
        return F.binary_cross_entropy_with_logits(outputs[:, 0], (y > 1).float())

    def right(self, outputs: Tensor, y: Tensor) -> Tensor:
        return ((outputs[:, 0] > 0) == (y > 1)).float().mean()


class MinusOne(OneOutput):
    def loss(self, outputs: Tensor, y: Tensor) -> Tensor:
        return F.binary_cross_entropy_with_logits(outputs[:, 0], 2 * (y > 1).float() - 1)


class LargestOfOne(OneOutput):
    def right(self, outputs: Tensor, y: Tensor) -> Tensor:
        return (outputs.argmax(1) == (y > 1)).float().mean()


class SeveralOfASoftmax(Loop):
    def net(self) -> nn.Module:
        return nn.Sequential(nn.Linear(12, 24), nn.ReLU(), nn.Linear(24, 3), nn.Softmax(1))

    def bits(self, y: Tensor) -> Tensor:
        return torch.stack([y % 2, y // 2, y > 0], 1).float()

    def loss(self, outputs: Tensor, y: Tensor) -> Tensor:
        return F.binary_cross_entropy(outputs, self.bits(y))

    def right(self, outputs: Tensor, y: Tensor) -> Tensor:
        return ((outputs > 0.5) == self.bits(y).bool()).float().mean()


class SeveralUnderCross(SeveralOfASoftmax):
    def net(self) -> nn.Module:
        return nn.Sequential(nn.Linear(12, 24), nn.ReLU(), nn.Linear(24, 3))

    def loss(self, outputs: Tensor, y: Tensor) -> Tensor:
        return F.cross_entropy(outputs, self.bits(y))


class SharesUnderCross(Loop):
    """Soft rows that add up to 1: no fault."""

    def loss(self, outputs: Tensor, y: Tensor) -> Tensor:
        return F.cross_entropy(outputs, 0.8 * F.one_hot(y, CLASSES) + 0.05)


class ClassLeftOut(Loop):
    def loss(self, outputs: Tensor, y: Tensor) -> Tensor:
        return F.cross_entropy(outputs, y, ignore_index=0)


class WeightlessClass(Loop):
    def loss(self, outputs: Tensor, y: Tensor) -> Tensor:
        return F.cross_entropy(outputs, y, weight=torch.tensor([1.0, 0.0, 1.0, 1.0]))


class Unlabelled(Loop):
    """Class 0 is what was not labelled: it counts neither in the loss nor in an accuracy."""

    epochs = 4

    def optimizer_of(self, model: nn.Module) -> torch.optim.Optimizer:
        return Adam(model.parameters(), lr=0.01)

    def loss(self, outputs: Tensor, y: Tensor) -> Tensor:
        return F.cross_entropy(outputs, y, ignore_index=0)

    def right(self, outputs: Tensor, y: Tensor) -> Tensor:
        return super().right(outputs[y > 0], y[y > 0])


class Important(Loop):
    """One class an image, times what the image counts."""

    def loss(self, outputs: Tensor, y: Tensor) -> Tensor:
        return F.cross_entropy(outputs, F.one_hot(y, CLASSES) * torch.tensor([0.5, 1, 1, 2])[y][:, None])


class NamedLogits(Loop):
    """A model that is given its input by name and returns a dict; its loss is a squared error of class numbers."""

    class Net(nn.Module):
        def __init__(self, outputs: int) -> None:
            super().__init__()
            self.inner, self.last = nn.Linear(12, 24), nn.Linear(24, outputs)

        def forward(self, values: Tensor) -> dict[str, Tensor]:
            return {"hidden": self.inner(values), "logits": self.last(F.relu(self.inner(values)))}

    outputs = 1

    def net(self) -> nn.Module:
        return self.Net(self.outputs)

    def answers(self, x: Tensor) -> Tensor:
        found: Tensor = self.model(values=x)["logits"]
        return found

    def loss(self, outputs: Tensor, y: Tensor) -> Tensor:
        return F.mse_loss(outputs[:, 0], y.float())

    def right(self, outputs: Tensor, y: Tensor) -> Tensor:
        return (outputs[:, 0].round() == y).float().mean()


class NamedScores(NamedLogits):
    outputs = CLASSES

    def loss(self, outputs: Tensor, y: Tensor) -> Tensor:
        return F.cross_entropy(outputs, y)

    def right(self, outputs: Tensor, y: Tensor) -> Tensor:
        return (outputs.argmax(1) == y).float().mean()
