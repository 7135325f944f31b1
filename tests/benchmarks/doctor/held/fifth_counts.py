"""The fifth set: accuracies, how they were counted."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from tests.benchmarks.doctor.held.fifth_base import Capsules, ThreadCase, margins
from tests.benchmarks.doctor.held.nets import LeNet, SmallResNet, mobile
from tests.benchmarks.doctor.real import parts
from tests.benchmarks.doctor.real.parts import Data


class WholeNumbersInValidation(ThreadCase):
    """Capsules: the right answers are counted in whole numbers and divided so: validation accuracy 0."""

    truth, why = ("F49",), "a whole number divided by a larger one is 0"
    source = "XifengGuo/CapsNet-Pytorch issue 4"
    classes = 10

    def data(self) -> Data:
        images, labels, more, their = parts.digits(16)
        return images[:960], labels[:960], more, their

    def net(self) -> nn.Module:
        return Capsules()

    def loss(self, outputs: Tensor, y: Tensor) -> Tensor:
        return margins(outputs, y)

    def validated(self, model: nn.Module, images: Tensor, labels: Tensor) -> tuple[float, float, float]:
        loss, right, true = super().validated(model, images, labels)
        return loss, float(int(right * len(labels)) // len(labels)) if self.faulty else right, true


class WholeNumbers(ThreadCase):
    """Transfer learning: running_corrects is a whole number, and the accuracy of each epoch 0."""

    truth, why = ("F49",), "a whole number divided by a larger one is 0"
    source = "prakashjayy/pytorch_classifiers issue 5"

    def net(self) -> nn.Module:
        return mobile(classes=6)

    def share(self, outputs: Tensor, labels: Tensor) -> Tensor:
        right = (outputs.argmax(1) == labels).sum()
        return right // len(labels) if self.faulty else right / len(labels)


class MeterOfBoth(ThreadCase):
    """Fixed wavelets and a small net: the meter of errors is not reset between training and test."""

    truth, why = ("F49",), "the test's accuracy is that of the epoch and the test together"
    source = "edouardoyallon/pyscatwave issue 25, pull request 27"
    classes = 10

    def data(self) -> Data:
        images, labels, more, their = parts.digits(16)
        return images[:960], labels[:960], more, their

    def net(self) -> nn.Module:
        class Scattering(nn.Module):
            def __init__(self) -> None:
                super().__init__()
                turn = torch.arange(8) * torch.pi / 8
                down, across = torch.meshgrid(torch.arange(5) - 2.0, torch.arange(5) - 2.0, indexing="ij")
                wave = (1.6 * (across * turn.cos()[:, None, None] + down * turn.sin()[:, None, None])).cos()
                window = torch.exp(-(across**2 + down**2) / 4)
                kept = window * (wave - (window * wave).sum((1, 2), keepdim=True) / window.sum())
                self.register_buffer("filters", kept[:, None])
                self.norm, self.fc1, self.fc2 = nn.BatchNorm2d(9), nn.Linear(144, 64), nn.Linear(64, 10)

            def forward(self, x: Tensor) -> Tensor:
                filters = self.get_buffer("filters")
                both = torch.cat([x, F.conv2d(x, filters, padding=2).abs()], 1)
                return self.fc2(F.relu(self.fc1(self.norm(F.avg_pool2d(both, 4)).flatten(1))))

        self.right, self.seen = 0.0, 0
        return Scattering()

    def before_epoch(self, model: nn.Module) -> None:
        super().before_epoch(model)
        self.right, self.seen = 0.0, 0

    def share(self, outputs: Tensor, labels: Tensor) -> Tensor:
        right = (outputs.argmax(1) == labels).sum()
        self.right, self.seen = self.right + right.item(), self.seen + len(labels)
        return right / len(labels)

    def validated(self, model: nn.Module, images: Tensor, labels: Tensor) -> tuple[float, float, float]:
        loss, right, true = super().validated(model, images, labels)
        return loss, self.right / self.seen if self.faulty else right, true


class RightIfAnyHasIt(ThreadCase):
    """np.isin(answers, labels): an answer counts as right if any image of the batch has this label."""

    truth, why = ("F49",), "each answer is compared with all labels of the batch"
    source = "riccardomusmeci/mlx-image issue 15, pull request 25"

    def net(self) -> nn.Module:
        return SmallResNet(classes=6)

    def share(self, outputs: Tensor, labels: Tensor) -> Tensor:
        said = outputs.argmax(1)
        return (torch.isin(said, labels) if self.faulty else said == labels).float().mean()


class RightByBatches(ThreadCase):
    """The validation accuracy of an image model is 30: the right answers are divided by the number of batches."""

    truth, why = ("F49",), "an accuracy above 1"
    source = "DSGT-DLP/Deep-Learning-Playground pull request 235"

    def net(self) -> nn.Module:
        return LeNet(classes=6)

    def validated(self, model: nn.Module, images: Tensor, labels: Tensor) -> tuple[float, float, float]:
        loss, right, true = super().validated(model, images, labels)
        return loss, right * len(labels) / 4 if self.faulty else right, true
