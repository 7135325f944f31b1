"""What the programs of the fourth set share: nets, a dataset, and an evaluation in batches."""

from __future__ import annotations

from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.data import Dataset

from tests.benchmarks.doctor.held.case import Case

STILL = ("F02", "F36", "F37", "F19", "F18")


class FourthCase(Case, abstract=True):
    """A program of the fourth set: forum threads, leftovers of other set-ups, loops of one's own."""

    batch_of = "fourth"
    symptoms: ClassVar[tuple[str, ...]] = STILL
    count, steps_of, classes = 480, 135, 6


class Pictures(Dataset[tuple[Tensor, int]]):
    """A dataset as people write it: two arrays and a transform."""

    def __init__(self, images: Tensor, labels: Tensor, transform: Any = None) -> None:
        self.images, self.labels, self.transform = images, labels, transform

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        image = self.images[index]
        return self.transform(image) if self.transform else image, int(self.labels[index])


@torch.no_grad()
def score(model: nn.Module, images: Tensor, labels: Tensor) -> tuple[float, float]:
    """Return the loss and the accuracy on a set, in batches."""
    model.eval()
    cost, right = 0.0, 0
    for x, y in zip(images.split(40), labels.split(40), strict=True):
        outputs = model(x)
        cost += F.cross_entropy(outputs, y, reduction="sum").item()
        right += int((outputs.argmax(1) == y).sum())
    return cost / len(labels), right / len(labels)


class Strided(nn.Module):
    """Three strided convolutions, activations as methods, one linear layer."""

    def __init__(self, classes: int = 6, channels: int = 3) -> None:
        super().__init__()
        self.c1 = nn.Conv2d(channels, 16, 3, 2, 1)
        self.c2 = nn.Conv2d(16, 32, 3, 2, 1)
        self.c3 = nn.Conv2d(32, 32, 3, 2, 1)
        self.out = nn.Linear(128, classes)

    def features(self, x: Tensor) -> Tensor:
        return self.c3(self.c2(self.c1(x).relu()).relu()).relu().flatten(1)

    def forward(self, x: Tensor) -> Tensor:
        return self.out(self.features(x))


class Branches(nn.Module):
    """Branches of three kernels side by side, batch norm, mean over places."""

    def __init__(self, classes: int = 6) -> None:
        super().__init__()
        sizes = {"one": 1, "three": 3, "five": 5}
        self.first = nn.ModuleDict({k: nn.Conv2d(3, 8, size, 2, size // 2) for k, size in sizes.items()})
        self.second = nn.ModuleDict({k: nn.Conv2d(24, 12, size, 2, size // 2) for k, size in sizes.items()})
        self.norms = nn.ModuleList([nn.BatchNorm2d(24), nn.BatchNorm2d(36)])
        self.drop, self.head = nn.Dropout(0.2), nn.Linear(36 * 4, classes)

    def forward(self, x: Tensor) -> Tensor:
        for branches, norm in zip((self.first, self.second), self.norms, strict=True):
            x = F.relu(norm(torch.cat([branch(x) for branch in branches.values()], 1)))
        return self.head(self.drop(F.adaptive_avg_pool2d(x, 2).flatten(1)))


class Fixup(nn.Module):
    """Pre-activation residual blocks with group norm."""

    def __init__(self, classes: int = 6, width: int = 24) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, width, 4, 4)
        self.norms = nn.ModuleList([nn.GroupNorm(4, width) for _ in range(2)])
        self.convs = nn.ModuleList([nn.Conv2d(width, width, 3, padding=1) for _ in range(2)])
        self.fc = nn.Linear(width * 4, classes)

    def forward(self, x: Tensor) -> Tensor:
        x = self.stem(x)
        for norm, conv in zip(self.norms, self.convs, strict=True):
            x = x + conv(F.relu(norm(x)))
        return self.fc(F.avg_pool2d(x, 2).flatten(1))


class ByHand(nn.Module):
    """A functional net: all weights in one ParameterDict."""

    def __init__(self, classes: int = 6) -> None:
        super().__init__()
        self.w = nn.ParameterDict({
            "conv": nn.Parameter(torch.randn(16, 3, 5, 5) * (2 / 75) ** 0.5), "shift": nn.Parameter(torch.zeros(16)),
            "fc": nn.Parameter(torch.randn(classes, 256) * 256**-0.5), "bias": nn.Parameter(torch.zeros(classes)),
        })  # fmt: skip

    def forward(self, x: Tensor) -> Tensor:
        x = F.conv2d(x, self.w["conv"], self.w["shift"], stride=2, padding=2)
        return F.linear(F.max_pool2d(F.elu(x), 2).flatten(1), self.w["fc"], self.w["bias"])


def normed(classes: int = 6, channels: int = 3) -> nn.Sequential:
    """Two convolutions with batch norm, pools, one linear layer."""
    return nn.Sequential(
        nn.Conv2d(channels, 16, 3, padding=1, bias=False), nn.BatchNorm2d(16), nn.LeakyReLU(0.1), nn.MaxPool2d(2),
        nn.Conv2d(16, 32, 3, padding=1, bias=False), nn.BatchNorm2d(32), nn.LeakyReLU(0.1), nn.MaxPool2d(2),
        nn.Flatten(), nn.Linear(512, classes),
    )  # fmt: skip


def patches(classes: int = 6) -> nn.Sequential:
    """Patches of 4x4, a hidden layer with layer norm, GELU."""
    return nn.Sequential(nn.Conv2d(3, 16, 4, 4), nn.Flatten(), nn.Linear(256, 96), nn.LayerNorm(96), nn.GELU(),
                         nn.Linear(96, classes))  # fmt: skip


class OneLogit(FourthCase, abstract=True):
    """Two classes, one output; above 0 is class 1."""

    classes = 2

    def share(self, outputs: Tensor, labels: Tensor) -> Tensor:
        return ((outputs.reshape(-1) > 0).long() == labels).float().mean()

    def validated(self, model: nn.Module, images: Tensor, labels: Tensor) -> tuple[float, float, float]:
        outputs = model(images)
        share = self.share(outputs, labels).item()
        return self.loss(outputs, labels).item(), share, share
