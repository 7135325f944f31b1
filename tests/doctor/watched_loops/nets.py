"""Loops whose net is wrong: layers made anew, frozen, not loaded, batch norms that lag; each beside a sound one."""

from __future__ import annotations

import copy
import itertools
from collections.abc import Iterator

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.optim import Adam

from tests.doctor.watched_loops.loop import CLASSES, Batch, Loop, clouds


class MadeInForward(Loop):
    def net(self) -> nn.Module:
        class Net(nn.Module):
            def __init__(self) -> None:
                super().__init__()
                self.first, self.last = nn.Linear(12, 24), nn.Linear(24, CLASSES)

            def forward(self, x: Tensor) -> Tensor:
                return self.last(F.relu(nn.Linear(24, 24)(self.first(x))))

        return Net()


class Rows(nn.Module):
    """An LSTM over three rows of four numbers, or over the images."""

    def __init__(self, batch_first: bool) -> None:
        super().__init__()
        self.lstm, self.last = nn.LSTM(4, 16, batch_first=batch_first), nn.Linear(16, CLASSES)

    def forward(self, x: Tensor) -> Tensor:
        return self.last(self.lstm(x.reshape(-1, 3, 4))[0][:, -1])


class OverTheImages(Loop):
    def net(self) -> nn.Module:
        return Rows(batch_first=False)


class OverTheRows(Loop):
    def net(self) -> nn.Module:
        return Rows(batch_first=True)


class RandomFrozen(Loop):
    """The body is frozen as it was drawn."""

    def net(self) -> nn.Module:
        made = nn.Sequential(nn.Linear(12, 24), nn.BatchNorm1d(24), nn.ReLU(), nn.Linear(24, CLASSES))
        made[:2].requires_grad_(False)
        return made

    def optimizer_of(self, model: nn.Module) -> torch.optim.Optimizer:
        return Adam([one for one in model.parameters() if one.requires_grad], lr=0.03)


class FixedFirst(Loop):
    """A random projection in front, frozen on purpose; batch norm is trained."""

    def net(self) -> nn.Module:
        made = nn.Sequential(nn.Linear(12, 48), nn.ReLU(), nn.BatchNorm1d(48), nn.Linear(48, CLASSES))
        made[0].requires_grad_(False)
        return made


class NormsInEval(Loop):
    """Batch norms alone are in evaluation mode, from nothing."""

    def net(self) -> nn.Module:
        made = nn.Sequential(nn.Linear(12, 24), nn.BatchNorm1d(24), nn.ReLU(), nn.Linear(24, CLASSES))
        made[1].eval()
        return made

    def evaluated(self) -> float:
        share = super().evaluated()
        self.model.get_submodule("1").eval()
        return share


class KerasMomentum(Loop):
    momentum = 0.99

    def net(self) -> nn.Module:
        norm = nn.BatchNorm1d(24, momentum=self.momentum)
        return nn.Sequential(nn.Linear(12, 24), norm, nn.ReLU(), nn.Linear(24, CLASSES))


class UsualMomentum(KerasMomentum):
    momentum = 0.1


class LastOfAll(KerasMomentum):
    """One batch an epoch: the last batch is all there is."""

    momentum = 1.0

    def batches(self, epoch: int) -> Iterator[Batch]:  # noqa: ARG002
        yield self.train


class RandomBody(Loop):
    """The optimizer holds the last layer of a net that is as it was drawn."""

    def net(self) -> nn.Module:
        return nn.Sequential(nn.Linear(12, 24), nn.BatchNorm1d(24), nn.ReLU(), nn.Linear(24, CLASSES))

    def optimizer_of(self, model: nn.Module) -> torch.optim.Optimizer:
        assert isinstance(model, nn.Sequential)
        return Adam(model[-1].parameters(), lr=0.03)


class LoadedBody(RandomBody):
    def net(self) -> nn.Module:
        made = super().net()
        made(clouds()[0])
        return made


class Faint(Loop):
    """Four layers that all begin with deviations of 0.001."""

    least, norm = 0, False

    def net(self) -> nn.Module:
        widths = [12, 24, 24, 24, CLASSES]
        made = nn.Sequential()
        for place, (count, outputs) in enumerate(itertools.pairwise(widths)):
            layer = nn.Linear(count, outputs)
            if place >= self.least:
                nn.init.normal_(layer.weight, std=1e-3)
            made.extend([layer, *([nn.BatchNorm1d(outputs)] if self.norm else []), nn.ReLU()])
        return made[:-1]


class FaintHead(Faint):
    """The last layer alone, as many do it."""

    least = 3

    def optimizer_of(self, model: nn.Module) -> torch.optim.Optimizer:
        return Adam(model.parameters(), lr=0.01)


class MeanTeacher(Loop):
    """A copy that follows by hand, in evaluation mode and without gradients, is a part of the model."""

    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.student = UsualMomentum.net(UsualMomentum.__new__(UsualMomentum))
            self.teacher = copy.deepcopy(self.student).eval()

        def train(self, mode: bool = True) -> MeanTeacher.Net:
            super().train(mode)
            self.teacher.eval()
            return self

        def forward(self, x: Tensor) -> Tensor:
            with torch.no_grad():
                self.target = self.teacher(x)
                for mine, its in zip(self.teacher.parameters(), self.student.parameters(), strict=True):
                    mine.lerp_(its, 0.05)
            return self.student(x)

    def net(self) -> nn.Module:
        return self.Net()

    def optimizer_of(self, model: nn.Module) -> torch.optim.Optimizer:
        return Adam(model.get_submodule("student").parameters(), lr=3e-3)

    def loss(self, outputs: Tensor, y: Tensor) -> Tensor:
        return F.cross_entropy(outputs, y) + 0.1 * F.mse_loss(
            outputs.softmax(1), torch.as_tensor(self.model.target).softmax(1)
        )


class ScaledInForward(Loop):
    """Numbers of 0..255 that the model scales itself, before its first layer."""

    def __init__(self) -> None:
        super().__init__()
        self.train, self.validation = ((40 * x + 120, y) for x, y in (self.train, self.validation))

    def net(self) -> nn.Module:
        class Scaled(nn.Module):
            def __init__(self) -> None:
                super().__init__()
                self.body = nn.Sequential(nn.Linear(12, 24), nn.ReLU(), nn.Linear(24, 4))

            def forward(self, x: Tensor) -> Tensor:
                found: Tensor = self.body((x - 120) / 40)
                return found

        return Scaled()
