"""The eighth set: rates, optimizers, depth, dropout, and what a frozen body is given."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LambdaLR, LRScheduler

from tests.benchmarks.doctor.held.eighth_base import (
    BY_ARITHMETIC,
    CLASSIC,
    STILL,
    TOO_FAST,
    BeginnersCase,
    OneShare,
    Shares,
    WrittenDigits,
    chollet,
    glorot,
)  # fmt: skip
from tests.benchmarks.doctor.held.nets import SmallResNet
from tests.benchmarks.doctor.real.healthy_losses import fit
from tests.benchmarks.doctor.real.parts import Data


class RateOfTheColours(OneShare):
    """Blue pictures and red ones, as bytes, SGD(0.1, momentum 0.9), squares of a sigmoid: a loss of exactly 0.5."""

    truth, why = ("F11", *TOO_FAST, "F05"), "bytes and a large rate: the sigmoid is 0 or 1 for all, without a gradient"
    source = f"datascience.stackexchange, copied at 52sbl.cn discussion 111180 ({BY_ARITHMETIC}: the answer is cut off)"
    symptoms = (*STILL, "F04", "F07")
    batch, steps_of = 5, 160
    faulty_optim = ("SGD", {"lr": 0.1, "momentum": 0.9, "nesterov": True})
    optim = ("SGD", {"lr": 2e-3, "momentum": 0.9, "nesterov": True})

    def data(self) -> Data:
        random = torch.Generator().manual_seed(5)
        labels = torch.randint(2, (150,), generator=random)
        images = 4 * torch.rand(150, 3, 1, 1, generator=random) + 2 * torch.rand(150, 3, 16, 16, generator=random)
        images[:, 2] += 249 * (labels == 0)[:, None, None]
        images[:, 0] += 249 * (labels == 1)[:, None, None]
        images = images if self.faulty else images / 255
        return images[:100], labels[:100], images[100:], labels[100:]

    def net(self) -> nn.Module:
        return glorot(nn.Sequential(
            nn.Conv2d(3, 64, 3), nn.ReLU(), nn.Conv2d(64, 64, 3), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(),
            nn.Linear(2304, 128), nn.ReLU(), nn.Dropout(0.5), nn.Linear(128, 1), nn.Sigmoid(),
        ))  # fmt: skip

    def loss(self, outputs: Tensor, y: Tensor) -> Tensor:
        return F.mse_loss(outputs[:, 0], y.float())


class CatsAtFiveThousandths(OneShare):
    """Cats or dogs by convolutions and wide layers, a rate of 0.005: one half in all epochs; with 0.001 it learns."""

    truth, why = (*TOO_FAST, "F04"), "the rate is too high: a fifth of it learns"
    source = "coderoad.ru 48664741"
    symptoms = (*STILL, "F07")
    faulty_optim, optim = ("Adam", {"lr": 5e-3}), ("Adam", {"lr": 1e-3})
    noise, batch = 2.5, 16

    def net(self) -> nn.Module:
        return glorot(nn.Sequential(
            nn.Conv2d(3, 32, 3, padding=1), nn.ReLU(), nn.Conv2d(32, 32, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2),
            nn.Conv2d(32, 64, 3, padding=1), nn.ReLU(), nn.Conv2d(64, 64, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2),
            nn.Flatten(), nn.Linear(1024, 512), nn.ReLU(), nn.Linear(512, 256), nn.ReLU(), nn.Linear(256, 128),
            nn.ReLU(), nn.Linear(128, 1), nn.Sigmoid(),
        ))  # fmt: skip


class VggFromScratch(Shares):
    """VGG16 without its weights: thirteen convolutions with Glorot's weights, no norms: a guess after 50 epochs."""

    truth, why = ("L02", "F06", "F10"), "Glorot's weights halve the signal in each of the layers: he_normal"
    source = "towardsdatascience.com ce295e5e5f2 (why default CNN are broken in Keras)"
    optim = ("SGD", {"lr": 0.01, "momentum": 0.9})

    def net(self) -> nn.Module:
        made: list[nn.Module] = []
        before = 3
        for width, count in ((16, 2), (24, 2), (32, 3), (32, 3), (32, 3)):
            for _ in range(count):
                made += [nn.Conv2d(before, width, 3, padding=1), nn.ReLU()]
                before = width
            if len(made) < 16:
                made.append(nn.MaxPool2d(2))
        net = nn.Sequential(*made, nn.Flatten(), nn.Linear(512, 6), nn.Softmax(1))
        glorot(net)
        if not self.faulty:
            for layer in made:
                if isinstance(layer, nn.Conv2d):
                    nn.init.kaiming_normal_(layer.weight)
        return net


class FrozenNormsByTheBatch(BeginnersCase):
    """A frozen ResNet whose batch norms take the batch's means while it trains, and ImageNet's in the test."""

    truth, why = ("F23",), "frozen batch norms are run in training mode: the head learns other features than are tested"
    source = "keras-team/keras issue 9214, pull request 9965"
    classes, noise = 5, 0.8

    def net(self) -> nn.Module:
        images, labels, _, _ = self.data()
        made = SmallResNet(classes=5)
        fit(made, 0.45 + 0.35 * (images - 0.45), labels, 80)
        made.requires_grad_(False)
        made.fc = nn.Linear(64, 5)
        return made

    def before_epoch(self, model: nn.Module) -> None:
        model.train()
        for layer in model.modules():
            if isinstance(layer, nn.BatchNorm2d):
                layer.train(self.faulty)
                layer.momentum = 0.0 if self.faulty else 0.1


class AdadeltaOfTheNewKeras(WrittenDigits):
    """The old example of digits, Adadelta() as it comes, under a newer Keras: 12 epochs, and a quarter is right."""

    truth, why = ("F02", "F30"), "its rate was 1.0 before, and is 0.001 now"
    source = f"52zhanxing.com ask 7399595 ({BY_ARITHMETIC}: the page is cut off)"
    symptoms = ("F36", "F37", "F19", "F18")
    batch, steps_of = 64, 180
    faulty_optim, optim = ("Adadelta", {"lr": 1e-3, "rho": 0.95, "eps": 1e-7}), ("Adadelta", {"lr": 1.0, "rho": 0.95})

    def net(self) -> nn.Module:
        return glorot(nn.Sequential(
            nn.Conv2d(1, 16, 3), nn.ReLU(), nn.Conv2d(16, 32, 3), nn.ReLU(), nn.MaxPool2d(2), nn.Dropout(0.25),
            nn.Flatten(), nn.Linear(1152, 64), nn.ReLU(), nn.Dropout(0.5), nn.Linear(64, 10),
        ))  # fmt: skip

    def loss(self, outputs: Tensor, y: Tensor) -> Tensor:
        return F.cross_entropy(outputs, y)


class TimeDecay(Shares):
    """SGD(lr=0.05, decay=0.5), the decay meant for epochs: Keras divides by 1 + decay * updates."""

    truth, why = ("F32", "F02"), "after 18 updates the rate is a tenth"
    source = f"Stack Overflow, {CLASSIC}: decay is counted in updates"
    symptoms = ("F36", "F37", "F19", "F18")
    optim = ("SGD", {"lr": 0.05, "momentum": 0.9})
    noise = 1.6

    def net(self) -> nn.Module:
        return glorot(chollet(nn.Softmax(1), outputs=6))

    def schedule(self, optimizer: Optimizer) -> LRScheduler | None:
        return LambdaLR(optimizer, lambda step: 1 / (1 + 0.5 * step)) if self.faulty else None


class DropoutBehindEach(Shares):
    """Against overfitting a Dropout(0.5) was put behind each of eight layers: it does not learn any more."""

    truth, why = ("F34",), "seven dropouts of a half, one behind the other, leave nothing of the signal"
    source = f"Stack Overflow, {CLASSIC}: dropout behind each convolution, training far below validation"

    def net(self) -> nn.Module:
        def rest() -> list[nn.Module]:
            return [nn.ReLU(), nn.Dropout(0.5)] if self.faulty else [nn.ReLU()]

        return glorot(nn.Sequential(
            nn.Conv2d(3, 16, 3, padding=1), *rest(), nn.Conv2d(16, 16, 3, padding=1), *rest(), nn.MaxPool2d(2),
            nn.Conv2d(16, 24, 3, padding=1), *rest(), nn.Conv2d(24, 24, 3, padding=1), *rest(), nn.MaxPool2d(2),
            nn.Conv2d(24, 32, 3), *rest(), nn.Flatten(), nn.Linear(128, 64), *rest(), nn.Linear(64, 32), *rest(),
            nn.Linear(32, 6), nn.Softmax(1),
        ))  # fmt: skip


class SigmoidConvolutions(Shares):
    """Seven kinds, activation="sigmoid" in five convolutions and a hidden layer, SGD: always the same answer."""

    truth, why = ("F06", "F02"), "each sigmoid passes on a quarter of the gradient at most: relu"
    source = f"Stack Overflow, {CLASSIC}: sigmoid as the activation of all layers of a CNN"
    symptoms = ("F36", "F37", "F19", "F18")
    classes = 7
    optim = ("SGD", {"lr": 0.02, "momentum": 0.9})

    def net(self) -> nn.Module:
        def act() -> nn.Module:
            return nn.Sigmoid() if self.faulty else nn.ReLU()

        return glorot(nn.Sequential(
            nn.Conv2d(3, 16, 3, padding=1), act(), nn.Conv2d(16, 16, 3, padding=1), act(), nn.MaxPool2d(2),
            nn.Conv2d(16, 32, 3, padding=1), act(), nn.Conv2d(32, 32, 3, padding=1), act(), nn.MaxPool2d(2),
            nn.Conv2d(32, 32, 3, padding=1), act(), nn.Flatten(), nn.Linear(512, 64), act(), nn.Linear(64, 7),
            nn.Softmax(1),
        ))  # fmt: skip


class OneImageAtATime(BeginnersCase):
    """A first loop of one's own without a loader: one image, one step, SGD(0.1, momentum 0.9) of an example."""

    truth, why = (*TOO_FAST, "F04", "F07"), "a rate for batches: steps of single images are too large"
    source = f"discuss.pytorch.org, {CLASSIC}: batch size 1 and the rate of an example"
    symptoms = (*STILL, "F05", "F03")
    batch, steps_of = 1, 960
    faulty_optim, optim = ("SGD", {"lr": 0.1, "momentum": 0.9}), ("SGD", {"lr": 3e-3, "momentum": 0.9})

    def net(self) -> nn.Module:
        return glorot(chollet(outputs=6))
