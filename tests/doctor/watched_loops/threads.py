"""Loops as threads of the web have them, each beside a sound one that looks like it."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from tests.doctor.watched_loops.heads import OneOutput
from tests.doctor.watched_loops.loop import CLASSES, Loop


class AnyOfTheBatch(Loop):
    def right(self, outputs: Tensor, y: Tensor) -> Tensor:
        return torch.isin(outputs.argmax(1), y).float().mean()


class EmptyRows(Loop):
    """Classes are numbered from 1 on, rows of two places: those of class 2 are empty."""

    epochs, outputs = 3, 2

    def rows(self, y: Tensor) -> Tensor:
        return (y[:, None] % 2 + 1 == torch.arange(2)).float()

    def loss(self, outputs: Tensor, y: Tensor) -> Tensor:
        return -(self.rows(y) * outputs.log_softmax(1)).sum(1).mean()

    def right(self, outputs: Tensor, y: Tensor) -> Tensor:
        return (outputs.argmax(1) == y % 2).float().mean()


class UnsureLeftOut(EmptyRows):
    """Every third image is left out of the loss, as it is unsure, say."""

    def loss(self, outputs: Tensor, y: Tensor) -> Tensor:
        rows = F.one_hot(y % 2, 2) * (torch.arange(len(y)) % 3 > 0)[:, None]
        return -(rows * outputs.log_softmax(1)).sum(1).mean()


class OneBesideRows(OneOutput):
    """One sigmoid beside one-hot rows of two places."""

    def loss(self, outputs: Tensor, y: Tensor) -> Tensor:
        rows, share = F.one_hot((y > 1).long(), 2).float(), outputs.sigmoid()
        return -(rows * share.log() + (1 - rows) * (1 - share).log()).mean()


class ScoresOfRows(Loop):
    """The true score of each image, N x 1, has a margin put on by its one-hot row."""

    def loss(self, outputs: Tensor, y: Tensor) -> Tensor:
        rows, true = F.one_hot(y, CLASSES).float(), outputs.gather(1, y[:, None])
        return F.cross_entropy(outputs - rows * (0.1 * true.tanh()), y)


class TwoHeads(Loop):
    """The first head tells real images from made ones, the second the classes."""

    twice, tells = False, False

    def net(self) -> nn.Module:
        class Net(nn.Module):
            def __init__(self) -> None:
                super().__init__()
                self.body, self.real, self.kind = nn.Linear(12, 24), nn.Linear(24, 1), nn.Linear(24, CLASSES)

            def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
                x = self.body(x).relu()
                return self.real(x), self.kind(x)

        return Net()

    def answers(self, x: Tensor) -> Tensor:
        self.real, kinds = self.model(x)
        return kinds.softmax(1) if self.twice else kinds

    def loss(self, outputs: Tensor, y: Tensor) -> Tensor:
        told = F.binary_cross_entropy_with_logits(self.real, torch.ones_like(self.real))
        return told + F.cross_entropy(outputs, y)


class TwoHeadsTwice(TwoHeads):
    twice = True


class AskedFirst(Loop):
    """Self-training: in each step the net, in training mode, is asked for answers that it then learns too."""

    within = False

    def net(self) -> nn.Module:
        return nn.Sequential(nn.Linear(12, 24), nn.BatchNorm1d(24), nn.ReLU(), nn.Linear(24, CLASSES))

    def answers(self, x: Tensor) -> Tensor:
        if not torch.is_grad_enabled():
            return super().answers(x)
        known = super().answers(x) if self.within else None
        with torch.no_grad():
            self.sure, self.said = super().answers(3 * x).softmax(1).max(1)
        self.other = super().answers(x + 0.1)
        return super().answers(x) if known is None else known

    def loss(self, outputs: Tensor, y: Tensor) -> Tensor:
        told = F.cross_entropy(outputs, y)
        if not torch.is_grad_enabled():
            return told
        return told + (F.cross_entropy(self.other, self.said, reduction="none") * (self.sure > 0.9)).mean()


class AskedWithin(AskedFirst):
    within = True


class JudgedInTraining(AskedWithin):
    """The same, and its validation is made in training mode indeed."""

    def evaluated(self) -> float:
        with torch.no_grad():
            return self.right(self.model(self.validation[0]), self.validation[1]).item()
