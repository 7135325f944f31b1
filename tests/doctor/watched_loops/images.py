"""Loops whose images, labels or evaluation are wrong, each beside a sound one."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from tests.doctor.watched_loops.layouts import Viewed
from tests.doctor.watched_loops.loop import CLASSES, Batch, Loop, clouds


class OneForAll(Loop):
    def __init__(self) -> None:
        super().__init__()
        x, y = clouds(320)
        self.train = x[:1].expand_as(x).contiguous(), y


class Mirrored(Viewed):
    """Rows seen as pictures 3 x 2 x 2; half of the validation are training pictures in a mirror."""

    def __init__(self) -> None:
        super().__init__()
        (x, y), (more, their) = self.train, self.validation
        x, more = x.view(-1, 1, 3, 4), more.view(-1, 1, 3, 4)
        self.train = x, y
        self.validation = torch.cat([more[:30], x[:30].flip(-1)]), torch.cat([their[:30], y[:30]])

    def net(self) -> nn.Module:
        return nn.Sequential(nn.Flatten(), nn.Linear(12, 24), nn.ReLU(), nn.Linear(24, CLASSES))


class TurnedAtRandom(Mirrored):
    """Half of the training images come in a mirror; all of them are evaluated as they are, and others."""

    def __init__(self) -> None:
        super().__init__()
        self.validation = clouds(60, seed=5)

    def batches(self, epoch: int) -> Iterator[Batch]:
        for x, y in super().batches(epoch):
            yield torch.where(torch.rand(len(x), 1, 1, 1) < 0.5, x.flip(-1), x), y

    def evaluated(self) -> float:
        with torch.no_grad():
            for x in self.train[0].split(16):
                self.model(x)
        return super().evaluated()


class NeverReset(Loop):
    epochs = 5

    def evaluated(self) -> float:
        self.correct = getattr(self, "correct", 0.0) + super().evaluated()
        return self.correct


class Copied(Loop):
    """Half of the validation images are training images."""

    def __init__(self) -> None:
        super().__init__()
        (x, y), (more, their) = self.train, self.validation
        self.validation = torch.cat([more[:30], x[:30]]), torch.cat([their[:30], y[:30]])


class BothEvaluated(Loop):
    """Training images are evaluated as well, by themselves: no fault."""

    def evaluated(self) -> float:
        with torch.no_grad():
            self.model(self.train[0])
        return super().evaluated()


class Wrong(Loop):
    """Half of the training labels are drawn anew, images come unchanged."""

    epochs = 8

    def __init__(self) -> None:
        super().__init__()
        x, y = clouds(320, spread=0.2)
        random = torch.Generator().manual_seed(3)
        wrong = torch.rand(len(y), generator=random) < 0.5
        self.train = x, torch.where(wrong, torch.randint(CLASSES, y.shape, generator=random), y)


class Rare(Loop):
    """Two classes, one image in twenty is of the second."""

    outputs, epochs = 2, 1

    def __init__(self) -> None:
        super().__init__()
        x, _ = clouds(320)
        self.train = x, (torch.arange(320) % 20 == 0).long()


class RareWeighted(Rare):
    def loss(self, outputs: Tensor, y: Tensor) -> Tensor:
        return F.cross_entropy(outputs, y, weight=torch.tensor([1.0, 19.0]))


class FewImages(Loop):
    """A test of the loop: four images, each of its own class, forty times."""

    epochs = 1

    def batches(self, epoch: int) -> Iterator[Batch]:  # noqa: ARG002
        x, y = self.train
        for _ in range(120):
            yield x[:4], y[:4]


class BrighterInTraining(Loop):
    """An augmentation that only ever raises training's numbers; validation is as good."""

    def batches(self, epoch: int) -> Iterator[Batch]:
        random = torch.Generator().manual_seed(epoch)
        for x, y in super().batches(epoch):
            yield x + 1.8 * torch.rand(len(x), 1, generator=random), y
