"""Loops as questions have them, and what looks like them and is sound."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor, nn
from torch.func import functional_call
from torch.nn import functional as F
from torch.optim import Adam
from torch.optim.lr_scheduler import ReduceLROnPlateau

from tests.doctor.watched_loops.heads import OneOutput
from tests.doctor.watched_loops.loop import CLASSES, Batch, Loop, clouds


class EachWithEach(Loop):
    """Answers of N x 1 are compared with labels of N."""

    def right(self, outputs: Tensor, y: Tensor) -> Tensor:
        return (outputs.max(1, keepdim=True)[1] == y).sum() / len(y)


class MeterOfBoth(Loop):
    """Right answers and images are not set back to 0 before the validation."""

    epochs = 4

    def __init__(self) -> None:
        super().__init__()
        self.train, self.validation = clouds(spread=2.0), clouds(60, seed=5, spread=2.0)

    def batches(self, epoch: int) -> Iterator[Batch]:
        self.correct, self.count = 0.0, 0
        return super().batches(epoch)

    def right(self, outputs: Tensor, y: Tensor) -> Tensor:
        right = (outputs.argmax(1) == y).float()
        self.correct, self.count = self.correct + float(right.sum()), self.count + len(y)
        return right.mean()

    def evaluated(self) -> float:
        super().evaluated()
        return self.correct / self.count


class MeterOfEach(MeterOfBoth):
    def evaluated(self) -> float:
        self.correct, self.count = 0.0, 0
        return super().evaluated()


class SmoothedRare(Loop):
    """Smoothed labels with class weights: of class 0 the best answer is class 3."""

    weights = (0.3, 0.3, 0.3, 30.0)

    def loss(self, outputs: Tensor, y: Tensor) -> Tensor:
        return F.cross_entropy(outputs, y, weight=torch.tensor(self.weights), label_smoothing=0.1)


class SmoothedWeighted(SmoothedRare):
    weights = (0.8, 0.9, 1.0, 2.0)


class Wrapped(Loop):
    """Bytes of smooth pictures from which 128 is taken as bytes."""

    def __init__(self) -> None:
        super().__init__()
        self.train, self.validation = self.pictures(160, 0), self.pictures(60, 5)

    def net(self) -> nn.Module:
        return nn.Sequential(nn.Flatten(), nn.Linear(256, 24), nn.ReLU(), nn.Linear(24, CLASSES))

    def pictures(self, count: int, seed: int) -> Batch:
        coarse = torch.randn(CLASSES, 1, 4, 4, generator=torch.Generator().manual_seed(99))
        labels = torch.arange(count) % CLASSES
        large = F.interpolate(coarse, size=16, mode="bicubic")[labels]
        noise = torch.randn(large.shape, generator=torch.Generator().manual_seed(seed))
        return self.prepared((128 + 70 * large + 8 * noise).clamp(0, 255).byte()), labels

    def prepared(self, pictures: Tensor) -> Tensor:
        return (pictures - 128).float() / 128


class TakenOffAsFloats(Wrapped):
    def prepared(self, pictures: Tensor) -> Tensor:
        return (pictures.float() - 128) / 128


class BlackAndWhite(Wrapped):
    """Drawings: nearly all pixels are black or white."""

    def prepared(self, pictures: Tensor) -> Tensor:
        return ((pictures.float() - 128) * 8 + 128).clamp(0, 255).round() / 255


class HalfAdam(Loop):
    """Weights in float16 under Adam, whose eps is 0 there."""

    def net(self) -> nn.Module:
        return super().net().half()

    def answers(self, x: Tensor) -> Tensor:
        found: Tensor = self.model(x.half())
        return found.float()


class UnusedAuxiliary(Loop):
    """An auxiliary head that is not used."""

    def net(self) -> nn.Module:
        class Net(nn.Module):
            def __init__(self) -> None:
                super().__init__()
                self.body, self.aux1, self.head = nn.Linear(12, 24), nn.Linear(24, CLASSES), nn.Linear(24, CLASSES)

            def forward(self, x: Tensor) -> Tensor:
                found: Tensor = self.head(self.body(x).relu())
                return found

        return Net()


class Functional(Loop):
    """The weights are a dict of one's own, and the model is called with it."""

    def optimizer_of(self, model: nn.Module) -> torch.optim.Optimizer:
        self.weights = {name: one.detach().clone().requires_grad_() for name, one in model.named_parameters()}
        return Adam(list(self.weights.values()), lr=3e-3)

    def answers(self, x: Tensor) -> Tensor:
        found: Tensor = functional_call(self.model, self.weights, (x,))
        return found


class OneSigmoidForAll(OneOutput):
    """One sigmoid for four classes under Keras's binary cross-entropy, by hand, with inputs that saturate it."""

    def loss(self, outputs: Tensor, y: Tensor) -> Tensor:
        share, wanted = (60 * outputs).sigmoid().clamp(1e-7, 1 - 1e-7), (y[:, None] + 1).float()
        return -(wanted * share.log() + (1 - wanted) * (1 - share).log()).mean()


class HalfOfAScore(OneOutput):
    def right(self, outputs: Tensor, y: Tensor) -> Tensor:
        return ((outputs[:, 0] > 0.5) == (y > 1)).float().mean()


class SlowMeans(Loop):
    """Batch norm with Keras's momentum of 0.99, and 40 steps."""

    epochs, momentum = 4, 0.002

    def __init__(self) -> None:
        super().__init__()
        (x, y), (more, their) = self.train, self.validation
        self.train, self.validation = (30 + 5 * x, y), (30 + 5 * more, their)

    def net(self) -> nn.Module:
        return nn.Sequential(nn.Linear(12, 24), nn.BatchNorm1d(24, momentum=self.momentum), nn.ReLU(), nn.Linear(24, 4))


class PlateauOfBatches(Loop):
    """ReduceLROnPlateau is stepped with the loss of each batch."""

    epochs, steps = 8, 80

    def update(self, loss: Tensor, step: int) -> None:
        super().update(loss, step)
        if not step:
            self.plateau = ReduceLROnPlateau(self.optimizer, patience=0)
        self.plateau.step(loss.detach())


class PlateauOfEpochs(PlateauOfBatches):
    def update(self, loss: Tensor, step: int) -> None:
        Loop.update(self, loss, step)
        if not step:
            self.plateau = ReduceLROnPlateau(self.optimizer, factor=0.5, patience=0)
        elif step % 10 == 9:
            self.plateau.step(1.0)
