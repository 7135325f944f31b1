"""Loops whose loss has a head, a weight or a softmax of its own, each beside a sound one that looks like it."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.optim import SGD, Adam

from tests.doctor.watched_loops.loop import CLASSES, Loop


class HeadOutside(Loop):
    """The model embeds; vectors of the classes are in the loss, which the optimizer does not know."""

    outputs = 16
    trained = False

    def optimizer_of(self, model: nn.Module) -> torch.optim.Optimizer:
        self.centres = nn.Parameter(torch.randn(CLASSES, 16))
        return Adam([*model.parameters(), *([self.centres] if self.trained else [])], lr=3e-3)

    def scores(self, found: Tensor) -> Tensor:
        return 8 * F.linear(F.normalize(found), F.normalize(self.centres))

    def loss(self, outputs: Tensor, y: Tensor) -> Tensor:
        return F.cross_entropy(self.scores(outputs), y)

    def right(self, outputs: Tensor, y: Tensor) -> Tensor:
        return (self.scores(outputs).argmax(1) == y).float().mean()


class HeadOutsideTrained(HeadOutside):
    trained = True


class HeadOfItsOwnOptimizer(HeadOutside):
    """The vectors have an optimizer of their own, as a centre loss's have."""

    def update(self, loss: Tensor, step: int) -> None:
        self.other = SGD([self.centres], lr=0.1)
        self.other.zero_grad()
        super().update(loss, step)
        self.other.step()


class FocalOfSoftmax(Loop):
    def net(self) -> nn.Module:
        return super().net().append(nn.Softmax(1))  # type: ignore[operator]

    def loss(self, outputs: Tensor, y: Tensor) -> Tensor:
        logs = outputs.log_softmax(1).gather(1, y[:, None])[:, 0]
        return -((1 - logs.exp()) ** 2 * logs).mean()


class FocalOfScores(FocalOfSoftmax):
    def net(self) -> nn.Module:
        return Loop.net(self)


class WeighedByNothing(Loop):
    def loss(self, outputs: Tensor, y: Tensor) -> Tensor:
        each = F.cross_entropy(outputs, y, reduction="none")
        return (torch.zeros_like(each) * each).mean()


class SharesUnderKl(Loop):
    def loss(self, outputs: Tensor, y: Tensor) -> Tensor:
        return F.kl_div(outputs.softmax(1), 0.8 * F.one_hot(y, CLASSES) + 0.05, reduction="batchmean")


class LogSharesUnderKl(Loop):
    def loss(self, outputs: Tensor, y: Tensor) -> Tensor:
        return F.kl_div(outputs.log_softmax(1), 0.8 * F.one_hot(y, CLASSES) + 0.05, reduction="batchmean")


class NormsAtZero(Loop):
    def net(self) -> nn.Module:
        made = nn.Sequential(nn.Linear(12, 24), nn.BatchNorm1d(24), nn.ReLU(), nn.Linear(24, CLASSES))
        nn.init.zeros_(made[1].weight)  # type: ignore[arg-type]
        return made


class BranchAtZero(Loop):
    """The norm of a residual branch begins at 0, as many do it."""

    def net(self) -> nn.Module:
        class Residual(nn.Module):
            def __init__(self) -> None:
                super().__init__()
                self.inside, self.norm = nn.Linear(24, 24), nn.BatchNorm1d(24)
                nn.init.zeros_(self.norm.weight)

            def forward(self, x: Tensor) -> Tensor:
                return F.relu(x + self.norm(self.inside(x)))

        return nn.Sequential(nn.Linear(12, 24), nn.ReLU(), Residual(), nn.Linear(24, CLASSES))
