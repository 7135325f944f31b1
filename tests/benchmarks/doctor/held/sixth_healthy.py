"""The sixth set: questions in which nothing was wrong."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from tests.benchmarks.doctor.held.nets import vgg
from tests.benchmarks.doctor.held.sixth_base import AskedCase, DigitCase, KerasCase, keras_cnn
from tests.benchmarks.doctor.real import parts
from tests.benchmarks.doctor.real.healthy_losses import fit
from tests.benchmarks.doctor.real.parts import Data


class BetterInTheTest(AskedCase):
    """The test's accuracy is above training's: the net trains with dropout, and is tested without."""

    source = "discuss.pytorch.org 52829"

    def net(self) -> nn.Module:
        return nn.Sequential(
            nn.Conv2d(3, 24, 3, 2, 1), nn.ReLU(), nn.Dropout2d(0.3), nn.Conv2d(24, 32, 3, 2, 1), nn.ReLU(),
            nn.Flatten(), nn.Dropout(0.5), nn.Linear(512, 64), nn.ReLU(), nn.Dropout(0.5), nn.Linear(64, 6),
        )  # fmt: skip


class UnexpectedlyGood(DigitCase):
    """Letters by a small net with dropout before its ReLUs: right in 94 % at once, which its owner doubts."""

    source = "discuss.pytorch.org 120827"

    def net(self) -> nn.Module:
        return nn.Sequential(
            nn.Conv2d(1, 16, 5, 1, 2), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(16, 32, 5, 1, 2), nn.Dropout(0.2),
            nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(512, 128), nn.Dropout(0.2), nn.ReLU(),
            nn.Linear(128, 80), nn.ReLU(), nn.Linear(80, 10),
        )  # fmt: skip


class LossFallsAccuracyStands(AskedCase):
    """Fifty images to overfit; the loss falls in each step, the training accuracy rises in jumps."""

    source = "stats.stackexchange 202485"
    count, classes, batch, steps_of = 50, 10, 50, 120
    optim = ("SGD", {"lr": 0.02, "momentum": 0.9})

    def net(self) -> nn.Module:
        return vgg(classes=10)


class NoisyWithBatchNorm(KerasCase):
    """Cats and dogs, six convolutions with batch norm, three dense layers: validation is noisier than without."""

    source = "Stack Overflow, copied at qa.1r1g.com 3020595371"
    classes, batch, noise = 2, 64, 2.0

    def net(self) -> nn.Module:
        def block(before: int, after: int) -> list[nn.Module]:
            return [nn.Conv2d(before, after, 3, padding=1), nn.BatchNorm2d(after), nn.ReLU()]

        return nn.Sequential(
            *block(3, 16), *block(16, 16), nn.MaxPool2d(2), *block(16, 24), *block(24, 24), nn.MaxPool2d(2),
            *block(24, 32), *block(32, 32), nn.AdaptiveAvgPool2d(2), nn.Flatten(), nn.Linear(128, 64), nn.ReLU(),
            nn.Linear(64, 32), nn.ReLU(), nn.Linear(32, 2), nn.Softmax(1),
        )  # fmt: skip


class GapThatCloses(KerasCase):
    """Thirty kinds, batches of 128, batch norm: validation is far behind in the first epochs, and catches up."""

    source = "stats.stackexchange 335890"
    classes, count, batch, steps_of, noise = 12, 960, 64, 165, 0.8

    def net(self) -> nn.Module:
        return nn.Sequential(
            nn.Conv2d(3, 24, 3, padding=1), nn.ReLU(), nn.BatchNorm2d(24), nn.Conv2d(24, 24, 3, padding=1), nn.ReLU(),
            nn.BatchNorm2d(24), nn.MaxPool2d(2), nn.Conv2d(24, 32, 3, padding=1), nn.ReLU(), nn.BatchNorm2d(32),
            nn.MaxPool2d(2), nn.Flatten(), nn.Linear(512, 12), nn.Softmax(1),
        )  # fmt: skip


class FrozenAndOverfitted(KerasCase):
    """A frozen MobileNet, dense layers of 64 and 32 with dropout, SGD with a decaying rate: it overfits in the end."""

    source = "Stack Overflow 66649564 (copied at example-a.com and coderapp.vercel.app)"
    classes = 6
    optim = ("SGD", {"lr": 0.02, "momentum": 0.8, "nesterov": True})
    steps_of = 240

    def net(self) -> nn.Module:
        images, labels, _, _ = parts.pictures(self.shape, 8)
        made = keras_cnn(8)
        fit(made, 2 * (images - 0.45), labels, 120)
        body = made[:-3].requires_grad_(False)
        return nn.Sequential(
            body, nn.Linear(32, 64), nn.ReLU(), nn.Dropout(0.25), nn.Linear(64, 32), nn.ReLU(), nn.Dropout(0.1),
            nn.Linear(32, 6), nn.Softmax(1),
        )  # fmt: skip


class ShuffledWhenMade(DigitCase):
    """Signs of hands: the list is shuffled before it is split, and the validation is as good as the training."""

    source = "ai.stackexchange 20218"

    def net(self) -> nn.Module:
        return keras_cnn(10, channels=1, drop=0.3)

    def spoiled(self, data: Data) -> Data:
        images, labels, more, their = data
        every, kinds = torch.cat([images, more]), torch.cat([labels, their])
        order = torch.randperm(len(kinds), generator=torch.Generator().manual_seed(3))
        return every[order[:960]], kinds[order[:960]], every[order[960:]], kinds[order[960:]]

    def loss(self, outputs: Tensor, y: Tensor) -> Tensor:
        return F.cross_entropy(outputs, y)
