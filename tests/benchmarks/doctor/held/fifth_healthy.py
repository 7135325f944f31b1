"""The fifth set: threads in which nothing was wrong."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LambdaLR, LRScheduler

from tests.benchmarks.doctor.held.fifth_base import ThreadCase, small_cnn
from tests.benchmarks.doctor.held.nets import SmallResNet, TinyViT, mlp
from tests.benchmarks.doctor.real import parts
from tests.benchmarks.doctor.real.parts import Data


class ZeroedBehindTheStep(ThreadCase):
    """optimizer.zero_grad() behind optimizer.step(), which somebody took for accumulation."""

    source = "SharifiZarchi/Introduction_to_Machine_Learning issue 55"

    def net(self) -> nn.Module:
        return small_cnn()

    def update(self, model: nn.Module, optimizer: Optimizer, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
        loss, outputs = self.forward(model, x, y)
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        return loss.detach(), outputs.detach()


class BetterInValidation(ThreadCase):
    """A transformer whose validation is better than its training: augmentation and dropout are off there."""

    source = "lucidrains/vit-pytorch issue 311"
    steps_of = 180

    def net(self) -> nn.Module:
        class Dropped(TinyViT):
            def forward(self, x: Tensor) -> Tensor:
                patches = F.unfold(x, 4, stride=4).transpose(1, 2)
                x = F.dropout(self.patch(patches) + self.place, 0.1, self.training)
                for block in self.blocks:
                    x = F.dropout(block(x), 0.1, self.training)
                return self.head(self.norm(x.mean(1)))

        return Dropped(self.shape, 6)

    def augmented(self, x: Tensor) -> Tensor:
        if float(torch.rand(1, generator=self.random)) < 0.5:
            x = F.interpolate(x[:, :, 1:15, 1:15], size=16, mode="bilinear")
        return x + 0.5 * torch.randn(x.shape, generator=self.random)


class LowInTraining(ThreadCase):
    """Half right in training, 83 % in validation: a dropout of 0.6, as the paper has it."""

    source = "PetarV-/GAT issue 7"
    steps_of = 180

    def net(self) -> nn.Module:
        return nn.Sequential(
            nn.Flatten(), nn.Dropout(0.6), nn.Linear(768, 96), nn.ELU(), nn.Dropout(0.6), nn.Linear(96, 6)
        )


class ModelZeroed(ThreadCase):
    """model.zero_grad() in place of optimizer.zero_grad()."""

    source = "marrrcin/pytorch-resnet-mnist issue 2"
    classes, shape = 10, (1, 16, 16)

    def data(self) -> Data:
        images, labels, more, their = parts.digits(16)
        return images[:960], labels[:960], more, their

    def net(self) -> nn.Module:
        return SmallResNet(1)

    def update(self, model: nn.Module, optimizer: Optimizer, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
        loss, outputs = self.forward(model, x, y)
        model.zero_grad()
        loss.backward()
        optimizer.step()
        return loss.detach(), outputs.detach()


class AccuracyOfABatch(ThreadCase):
    """The training accuracy goes up and down: it is that of a batch of eight."""

    source = "facebookresearch/VMZ issue 16"
    batch, steps_of, noise = 8, 240, 1.6
    optim = ("SGD", {"lr": 0.01, "momentum": 0.9})

    def net(self) -> nn.Module:
        return small_cnn()


class NoSoftmaxAtTheEnd(ThreadCase):
    """784-25-10 with ReLU and nothing behind the last layer, under cross-entropy."""

    source = "NVDLI/LDL issue 5"
    classes, steps_of = 10, 240
    optim = ("Adam", {"lr": 3e-3})

    def data(self) -> Data:
        images, labels, more, their = parts.digits(28)
        return (images - 0.3) / 0.35, labels, (more - 0.3) / 0.35, their

    def net(self) -> nn.Module:
        return mlp(784, 25, 10)


class TenTimesAfterTheFirstEpoch(ThreadCase):
    """A residual net at 0.01 for an epoch and at 0.1 from then on, as the paper has it."""

    source = "tensorpack/tensorpack issue 357"
    optim = ("SGD", {"lr": 0.1, "momentum": 0.9, "weight_decay": 2e-4})
    steps_of = 180

    def net(self) -> nn.Module:
        return SmallResNet(classes=6)

    def schedule(self, optimizer: Optimizer) -> LRScheduler:
        return LambdaLR(optimizer, lambda step: 0.1 if step < 15 else 1.0)
