"""The fifth set: loops, modes, rates, weights and norms."""

from __future__ import annotations

from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler, StepLR

from tests.benchmarks.doctor.held.fifth_base import Capsules, PointNet, ThreadCase, margins, small_cnn
from tests.benchmarks.doctor.held.nets import SmallResNet, TinyViT
from tests.benchmarks.doctor.real import parts
from tests.benchmarks.doctor.real.healthy_losses import fit
from tests.benchmarks.doctor.real.parts import Data

TOO_FAST = ("F01", "F31", "F30")


class SchedulerStepsAlone(ThreadCase):
    """A training loop that steps its schedule, which should step the optimizer, and does not."""

    truth, why = ("F44",), "no update is ever made"
    source = "dotnet/TorchSharp issue 414, pull request 415"
    optim = ("SGD", {"lr": 0.05, "momentum": 0.9})

    def net(self) -> nn.Module:
        return small_cnn()

    def schedule(self, optimizer: Optimizer) -> LRScheduler:
        return StepLR(optimizer, 45, 0.7)

    def update(self, model: nn.Module, optimizer: Optimizer, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
        if not self.faulty:
            return super().update(model, optimizer, x, y)
        loss, outputs = self.forward(model, x, y)
        optimizer.zero_grad()
        loss.backward()
        assert self.scheduler is not None
        self.scheduler.step()
        return loss.detach(), outputs.detach()


class OptimizerBeforeTheLayers(ThreadCase):
    """Layers are made at the first images, when their sizes are known; the optimizer was made before."""

    truth, why = ("F26", "F44"), "the optimizer has none of the layers"
    source = "floneum/kalosm pull request 285"

    def net(self) -> nn.Module:
        class Lazy(nn.Module):
            def __init__(self) -> None:
                super().__init__()
                self.scale = nn.Parameter(torch.ones(3, 1, 1))
                self.made = nn.ModuleList()

            def forward(self, x: Tensor) -> Tensor:
                x = (x * self.scale).flatten(1)
                if not len(self.made):
                    self.made.extend([nn.Linear(x.shape[1], 96), nn.Linear(96, 48), nn.Linear(48, 6)])
                return self.made[2](F.relu(self.made[1](F.relu(self.made[0](x)))))

        model = Lazy()
        if not self.faulty:
            model(torch.zeros(1, 3, 16, 16))
        return model


class ValidatedWithoutEval(ThreadCase):
    """Chest X-rays: the accuracy of validation and test is taken without model.eval()."""

    truth, why = ("F23", "F47"), "its batch norms count the validation images"
    source = "microsoft/robustdg issue 30"
    shape, classes = (1, 16, 16), 2

    def net(self) -> nn.Module:
        return SmallResNet(1, 2)

    def before_validation(self, model: nn.Module) -> None:
        if not self.faulty:
            model.eval()


class TrainAgainBeforeValidation(ThreadCase):
    """Two kinds of inputs: model.eval(), and a few lines further model.train(), before the validation."""

    truth, why = ("F47", "F23"), "dropout is alive in validation"
    source = "pliang279/MultiBench issue 26"
    shape, classes = (2, 16, 16), 10

    def data(self) -> Data:
        images, labels, more, their = parts.digits(16)
        noise = torch.rand(len(images) + len(more), 1, 16, 16, generator=torch.Generator().manual_seed(2))
        both = [torch.cat([one, one * 0.5 + 0.5 * part], 1)
                for one, part in ((images, noise[: len(images)]), (more, noise[len(images) :]))]  # fmt: skip
        return both[0][:960], labels[:960], both[1], their

    def net(self) -> nn.Module:
        class Late(nn.Module):
            def __init__(self) -> None:
                super().__init__()
                self.first = nn.Sequential(nn.Flatten(), nn.Linear(256, 64), nn.ReLU(), nn.Dropout(0.4))
                self.second = nn.Sequential(nn.Flatten(), nn.Linear(256, 64), nn.ReLU(), nn.Dropout(0.4))
                self.head = nn.Sequential(nn.Linear(128, 48), nn.ReLU(), nn.Dropout(0.4), nn.Linear(48, 10))

            def forward(self, x: Tensor) -> Tensor:
                return self.head(torch.cat([self.first(x[:, :1]), self.second(x[:, 1:])], 1))

        return Late()

    def before_validation(self, model: nn.Module) -> None:
        model.eval()
        if self.faulty:
            model.train()


class EvalToTheEndOfTheEpoch(ThreadCase):
    """Validated in the midst of an epoch, which sets model.eval(): the rest of the epoch is trained so."""

    truth, why = ("F46",), "most batches are trained in evaluation mode"
    source = "wkentaro/pytorch-fcn pull request 56"
    optim = ("SGD", {"lr": 0.02, "momentum": 0.9})

    def net(self) -> nn.Module:
        class Full(nn.Module):
            def __init__(self) -> None:
                super().__init__()
                self.conv1, self.conv2 = nn.Conv2d(3, 24, 3, 1, 1), nn.Conv2d(24, 48, 3, 1, 1)
                self.norm1, self.norm2 = nn.BatchNorm2d(24), nn.BatchNorm2d(48)
                self.fc, self.score, self.drop = nn.Conv2d(48, 96, 4), nn.Conv2d(96, 6, 1), nn.Dropout2d(0.5)

            def forward(self, x: Tensor) -> Tensor:
                x = F.max_pool2d(F.relu(self.norm1(self.conv1(x))), 2)
                x = F.max_pool2d(F.relu(self.norm2(self.conv2(x))), 2)
                return self.score(self.drop(F.relu(self.fc(x)))).flatten(1)

        return Full()

    def update(self, model: nn.Module, optimizer: Optimizer, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
        if self.steps % 15 == 3:
            model.eval()
            with torch.no_grad():
                model(x)
            if not self.faulty:
                model.train()
        return super().update(model, optimizer, x, y)


class MeanOfTheBatch(ThreadCase):
    """Number plates: each map is divided by torch.mean(x ** 2), which is the mean of the whole batch."""

    truth, why = ("F57",), "an image's answer depends on the others beside it"
    source = "xuexingyu24/License_Plate_Detection_Pytorch issue 22"

    def net(self) -> nn.Module:
        faulty = self.faulty

        class Plates(nn.Module):
            def __init__(self) -> None:
                super().__init__()
                self.conv1, self.conv2 = nn.Conv2d(3, 16, 3, 1, 1), nn.Conv2d(16, 32, 3, 1, 1)
                self.norm, self.mixed = nn.BatchNorm2d(16), nn.Conv2d(51, 6, 1)

            def forward(self, x: Tensor) -> Tensor:
                first = F.max_pool2d(F.relu(self.norm(self.conv1(x))), 2)
                second = F.max_pool2d(F.relu(self.conv2(first)), 2)
                kept = []
                for one in (F.avg_pool2d(x, 4), F.avg_pool2d(first, 2), second):
                    power = one.pow(2).mean() if faulty else one.pow(2).mean((1, 2, 3), keepdim=True)
                    kept.append(one / power)
                return self.mixed(torch.cat(kept, 1)).mean((2, 3))

        return Plates()


class CapsulesBeginSmall(ThreadCase):
    """Capsules whose matrices begin with a deviation of 0.01: the loss stands still at first."""

    truth, why = ("F10", "L02", "F06"), "the votes are too small to be told apart"
    source = "ageron/handson-ml pull request 176"
    classes, batch = 10, 16

    def data(self) -> Data:
        images, labels, more, their = parts.digits(16)
        return images[:960], labels[:960], more, their

    def net(self) -> nn.Module:
        return Capsules(spread=0.01 if self.faulty else 0.1)

    def loss(self, outputs: Tensor, y: Tensor) -> Tensor:
        return margins(outputs, y)


class NormOfTwoClouds(ThreadCase):
    """Clouds of points with batch norm, two in a batch: accuracy of a guess."""

    truth, why = ("F22",), "batch norm over two"
    source = "charlesq34/pointnet issue 37"
    batch, steps_of = 2, 480
    mended: ClassVar[dict[str, Any]] = {"batch": 32, "steps": 135}

    def net(self) -> nn.Module:
        return PointNet()


class NormOfOneDigit(ThreadCase):
    """Digits by convolutions with batch norm: more than half wrong with one image in a batch."""

    truth, why = ("F22",), "batch norm over one"
    source = "microsoft/CNTK issue 905"
    classes, batch, steps_of = 10, 1, 600
    mended: ClassVar[dict[str, Any]] = {"batch": 32, "steps": 180}
    optim = ("SGD", {"lr": 0.02, "momentum": 0.9})

    def data(self) -> Data:
        return parts.digits(16)

    def net(self) -> nn.Module:
        return nn.Sequential(
            nn.Conv2d(1, 16, 5, padding=2), nn.BatchNorm2d(16), nn.ReLU(), nn.MaxPool2d(2),
            nn.Conv2d(16, 24, 5, padding=2), nn.BatchNorm2d(24), nn.ReLU(), nn.MaxPool2d(4),
            nn.Flatten(), nn.Linear(96, 48), nn.ReLU(), nn.Linear(48, 10),
        )  # fmt: skip


class RateOfTheConfiguration(ThreadCase):
    """Digits by convolutions: nine of ten are wrong at the rate 0.5 of the configuration, one in a hundred at 0.05."""

    truth, why = TOO_FAST, "ten times too fast"
    source = "microsoft/CNTK issues 170 and 171, pull request 204"
    classes, steps_of = 10, 180
    optim = ("SGD", {"lr": 0.05, "momentum": 0.9})
    faulty_optim = ("SGD", {"lr": 0.5, "momentum": 0.9})
    symptoms = (*ThreadCase.symptoms, "F04", "F07")

    def data(self) -> Data:
        return parts.digits(16)

    def net(self) -> nn.Module:
        return nn.Sequential(
            nn.Conv2d(1, 16, 5, padding=2), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(16, 32, 5, padding=2), nn.ReLU(),
            nn.MaxPool2d(2), nn.Flatten(), nn.Linear(512, 128), nn.Sigmoid(), nn.Linear(128, 10),
        )  # fmt: skip


class FineTunedAsPretrained(ThreadCase):
    """A transformer is fine-tuned at the rate that it was pretrained with: its accuracy falls."""

    truth, why = TOO_FAST, "the weights of before are lost"
    source = "huawei-noah/Efficient-AI-Backbones issue 176"
    classes, steps_of, noise = 8, 150, 2.0
    optim, faulty_optim = ("AdamW", {"lr": 3e-4}), ("AdamW", {"lr": 2e-2})
    symptoms = (*ThreadCase.symptoms, "F07")

    def net(self) -> nn.Module:
        images, labels, _, _ = parts.pictures(self.shape, 8, count=480, noise=2.0)
        made = TinyViT(self.shape, 8)
        fit(made, 2 * (images - 0.45), labels, 200)
        return made
