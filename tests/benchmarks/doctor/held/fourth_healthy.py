"""The fourth set: runs that are right and unusual."""

from __future__ import annotations

import copy
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.optim import Optimizer
from torch.utils.data import DataLoader, TensorDataset

from tests.benchmarks.doctor.held.fourth_base import (
    Branches,
    ByHand,
    Fixup,
    FourthCase,
    OneLogit,
    Strided,
    normed,
    patches,
    score,
)
from tests.benchmarks.doctor.real import parts
from tests.benchmarks.doctor.real.healthy_losses import fit
from tests.benchmarks.doctor.real.parts import Data


class OneBlockOnPurpose(FourthCase):
    """A recurrent net: forward calls one block three times."""

    def net(self) -> nn.Module:
        class Net(nn.Module):
            def __init__(self) -> None:
                super().__init__()
                self.stem, self.block = nn.Conv2d(3, 24, 4, 4), nn.Conv2d(24, 24, 3, padding=1)
                self.fc = nn.Linear(384, 6)

            def forward(self, x: Tensor) -> Tensor:
                x = self.stem(x)
                for _ in range(3):
                    x = x + torch.relu(self.block(x))
                return self.fc(x.flatten(1))

        return Net()


class CellOverRows(FourthCase):
    """A GRUCell, row by row; the state begins at 0 for each batch."""

    def net(self) -> nn.Module:
        class Net(nn.Module):
            def __init__(self) -> None:
                super().__init__()
                self.cell, self.fc = nn.GRUCell(48, 40), nn.Linear(40, 6)

            def forward(self, x: Tensor) -> Tensor:
                state = x.new_zeros(len(x), 40)
                for row in x.permute(2, 0, 1, 3).flatten(2):
                    state = self.cell(row, state)
                return self.fc(state)

        return Net()


class AllAtOnce(FourthCase):
    """Full-batch training: the same 480 images in the same order at each step, an epoch each."""

    batch, steps_of = 480, 60

    def net(self) -> nn.Module:
        return patches()

    def order(self, labels: Tensor) -> Tensor:
        return torch.arange(len(labels))


class SameOrNot(OneLogit):
    """Pairs: are both of one class; one logit N x 1, targets N x 1."""

    tells_labels = False
    steps_of, optim = 240, ("Adam", {"lr": 2e-3})

    def net(self) -> nn.Module:
        class Net(nn.Module):
            def __init__(self) -> None:
                super().__init__()
                self.body, self.fc = Strided(32), nn.Linear(32, 1)

            def forward(self, x: Tensor) -> Tensor:
                first, second = self.body(x[:, :3]), self.body(x[:, 3:])
                return self.fc((first - second).abs())

        return Net()

    def data(self) -> Data:
        images, labels, more, their = parts.pictures(self.shape, 3, count=480, noise=0.7)
        made = []
        for pictures, kinds in ((images, labels), (more, their)):
            other = torch.randperm(len(kinds), generator=torch.Generator().manual_seed(1))
            made += [2 * (torch.cat([pictures, pictures[other]], 1) - 0.45), (kinds == kinds[other]).long()]
        return made[0], made[1], made[2], made[3]

    def loss(self, outputs: Tensor, y: Tensor) -> Tensor:
        return F.binary_cross_entropy_with_logits(outputs, y[:, None].float())


class LearnedScale(FourthCase):
    """Cosines times a learned scale that begins at 10."""

    def net(self) -> nn.Module:
        class Net(nn.Module):
            def __init__(self) -> None:
                super().__init__()
                self.body, self.codes = normed(32), nn.Parameter(torch.randn(6, 32))
                self.scale = nn.Parameter(torch.tensor(10.0))

            def forward(self, x: Tensor) -> Tensor:
                return self.scale * F.normalize(self.body(x)) @ F.normalize(self.codes).T

        return Net()


class SoftlyCapped(FourthCase):
    """Scores through 15 tanh(x / 15)."""

    def net(self) -> nn.Module:
        class Net(Fixup):
            def forward(self, x: Tensor) -> Tensor:
                return 15 * torch.tanh(super().forward(x) / 15)

        return Net()


class SmoothedAndWeighed(FourthCase):
    """label_smoothing=0.2 and class weights for three classes of 4:2:1."""

    classes, count = 3, 900

    def net(self) -> nn.Module:
        return Strided(3)

    def spoiled(self, data: Data) -> Data:
        images, labels, more, their = data
        kept = torch.cat([(labels == one).nonzero()[:few, 0] for one, few in enumerate((240, 120, 60))])
        return images[kept], labels[kept], more, their

    def loss(self, outputs: Tensor, y: Tensor) -> Tensor:
        return F.cross_entropy(outputs, y, torch.tensor([0.5, 1.0, 2.0]), label_smoothing=0.2)


class ThreeToOne(OneLogit):
    """Three negatives for each positive, pos_weight=3."""

    def net(self) -> nn.Module:
        return normed(1)

    def spoiled(self, data: Data) -> Data:
        images, labels, more, their = data
        kept = torch.cat([(labels == 0).nonzero()[:, 0], (labels == 1).nonzero()[:80, 0]])
        return images[kept], labels[kept], more, their

    def loss(self, outputs: Tensor, y: Tensor) -> Tensor:
        weight = torch.tensor([3.0])
        return F.binary_cross_entropy_with_logits(outputs, y[:, None].float(), pos_weight=weight)


class AttackedByGrad(FourthCase):
    """Adversarial training whose attack asks autograd.grad for the image's gradient alone."""

    def net(self) -> nn.Module:
        return ByHand()

    def update(self, model: nn.Module, optimizer: Optimizer, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
        images = x.clone().requires_grad_(True)
        (slope,) = torch.autograd.grad(F.cross_entropy(model(images), y), images)
        outputs = model((x + 0.1 * slope.sign()).detach())
        loss = F.cross_entropy(outputs, y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        return loss.detach(), outputs.detach()


class ScaledAndUnscaled(FourthCase):
    """GradScaler, unscale_, clip at 1, step, update."""

    optim = ("SGD", {"lr": 0.05, "momentum": 0.9})

    def net(self) -> nn.Module:
        return normed()

    def update(self, model: nn.Module, optimizer: Optimizer, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
        if not hasattr(self, "scaler"):
            self.scaler = torch.amp.GradScaler("cpu", init_scale=1024.0)
        optimizer.zero_grad()
        with torch.autocast("cpu", torch.bfloat16):
            outputs = model(x)
            loss = F.cross_entropy(outputs.float(), y)
        self.scaler.scale(loss).backward()
        self.scaler.unscale_(optimizer)
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        self.scaler.step(optimizer)
        self.scaler.update()
        return loss.detach(), outputs.detach().float()


class SeededByEpoch(FourthCase):
    """torch.manual_seed(epoch) before each epoch, dropout in the net."""

    def net(self) -> nn.Module:
        return Branches()

    def before_epoch(self, model: nn.Module) -> None:
        torch.manual_seed(self.steps)
        model.train()


class GrowingPictures(FourthCase):
    """Progressive resizing: 8x8 in the first epochs, then 12x12, then 16x16."""

    steps_of = 180

    def net(self) -> nn.Module:
        return nn.Sequential(nn.Conv2d(3, 24, 3, padding=1), nn.BatchNorm2d(24), nn.ReLU(), nn.MaxPool2d(2),
                             nn.Conv2d(24, 32, 3, padding=1), nn.BatchNorm2d(32), nn.ReLU(), nn.AdaptiveAvgPool2d(2),
                             nn.Flatten(), nn.Linear(128, 6))  # fmt: skip

    def augmented(self, x: Tensor) -> Tensor:
        side = 8 if self.steps < 45 else 12 if self.steps < 90 else 16
        return F.interpolate(x, size=(side, side), mode="bilinear") if side < 16 else x


class NoiseThatGrows(FourthCase):
    """A curriculum: noise on the images grows from epoch to epoch."""

    def net(self) -> nn.Module:
        return Strided()

    def augmented(self, x: Tensor) -> Tensor:
        return x + self.steps / 135 * torch.randn(x.shape, generator=self.random)


class BackToTheBest(FourthCase):
    """After each epoch that was worse the best weights so far are loaded again."""

    optim = ("SGD", {"lr": 0.05, "momentum": 0.9})
    noise = 1.8

    def net(self) -> nn.Module:
        made = Strided()
        self.best, self.lowest = copy.deepcopy(made.state_dict()), 9.0
        return made

    def validated(self, model: nn.Module, images: Tensor, labels: Tensor) -> tuple[float, float, float]:
        loss, right, true = super().validated(model, images, labels)
        if loss < self.lowest:
            self.lowest, self.best = loss, copy.deepcopy(model.state_dict())
        else:
            model.load_state_dict(self.best)
        return loss, right, true


class LowRank(FourthCase):
    """Adapters of rank 4 (one factor begins at 0) beside the frozen layers of a net that is trained; a new head."""

    classes, steps_of, optim = 5, 165, ("Adam", {"lr": 5e-3})

    def net(self) -> nn.Module:
        class Adapted(nn.Module):
            def __init__(self, inner: nn.Linear) -> None:
                super().__init__()
                self.inner = inner.requires_grad_(False)
                self.down = nn.Parameter(torch.randn(4, inner.in_features) * inner.in_features**-0.5)
                self.up = nn.Parameter(torch.zeros(inner.out_features, 4))

            def forward(self, x: Tensor) -> Tensor:
                return self.inner(x) + F.linear(F.linear(x, self.down), self.up)

        images, labels, _, _ = parts.pictures(self.shape, 8)
        made = patches(8)
        fit(made, 2 * (images - 0.45), labels, 100)
        made.requires_grad_(False)
        inner = made[2]
        assert isinstance(inner, nn.Linear)
        made[2], made[5] = Adapted(inner), nn.Linear(96, 5)
        return made


class MeanSoFar(FourthCase):
    """An own trainer that tells the loss and the accuracy so far in the epoch, as progress bars do."""

    def net(self) -> nn.Module:
        return Branches()

    def whole(self, model: nn.Module, optimizer: Optimizer, run: Any) -> float:
        images, labels, more, their = self.data()

        class Trainer:
            def __init__(self, loader: Any) -> None:
                self.loader = loader

            def epoch(self) -> None:
                model.train()
                seen, right, cost = 0, 0.0, 0.0
                for x, y in self.loader:
                    outputs = model(x)
                    loss = F.cross_entropy(outputs, y)
                    loss.backward()
                    optimizer.step()
                    optimizer.zero_grad()
                    seen, right = seen + len(y), right + float((outputs.argmax(1) == y).sum())
                    cost += loss.item() * len(y)
                    run.step(loss=cost / seen, accuracy=right / seen)

        loader = DataLoader(TensorDataset(images, labels), 32, shuffle=True, generator=self.random)
        trainer, accuracy = Trainer(loader), 0.0
        for _ in range(9):
            trainer.epoch()
            val_loss, accuracy = score(model, more, their)
            run.epoch(val_loss=val_loss, val_accuracy=accuracy)
        return accuracy
