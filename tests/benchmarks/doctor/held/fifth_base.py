"""What the programs of the fifth set share, and nets as their threads have them.

Each program is a resolved thread of the web: `source` says which. The code and the words are ours.
"""

from __future__ import annotations

import itertools
from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from tests.benchmarks.doctor.held.case import Case

STILL = ("F02", "F36", "F37", "F19", "F18")


class ThreadCase(Case, abstract=True):
    """A program of the fifth set: what somebody asked about, or reported, and what was found to be wrong."""

    batch_of = "fifth"
    symptoms: ClassVar[tuple[str, ...]] = STILL
    count, steps_of, classes = 480, 135, 6


def small_cnn(classes: int = 6, channels: int = 3, width: int = 16) -> nn.Sequential:
    """Two convolutions with pools, two linear layers, 16x16 in: what examples are made of."""
    return nn.Sequential(
        nn.Conv2d(channels, width, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2),
        nn.Conv2d(width, 2 * width, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2),
        nn.Flatten(), nn.Linear(32 * width, 64), nn.ReLU(), nn.Linear(64, classes),
    )  # fmt: skip


def squash(x: Tensor) -> Tensor:
    """Return vectors along the last dimension with lengths between 0 and 1."""
    norm = x.pow(2).sum(-1, keepdim=True)
    return x * norm.sqrt() / (1 + norm)


class Capsules(nn.Module):
    """Capsules of 8 values, capsules of 12 a class, two rounds of routing; the lengths are the answer. 1x16x16 in."""

    def __init__(self, classes: int = 10, spread: float = 0.1) -> None:
        super().__init__()
        self.conv, self.primary = nn.Conv2d(1, 24, 5, 2), nn.Conv2d(24, 32, 3)
        self.turn = nn.Parameter(spread * torch.randn(classes, 64, 12, 8))

    def forward(self, x: Tensor) -> Tensor:
        found = squash(self.primary(F.relu(self.conv(x))).reshape(len(x), 64, 8))
        votes = torch.einsum("cpoi,npi->ncpo", self.turn, found)
        share = votes.new_zeros(votes.shape[:3])
        for last in (False, True):
            out = squash((share.softmax(1)[..., None] * votes).sum(2))
            if not last:
                share = share + torch.einsum("ncpo,nco->ncp", votes, out).detach()
        return (out.pow(2).sum(-1) + 1e-9).sqrt()


def margins(lengths: Tensor, labels: Tensor) -> Tensor:
    """Return the loss of capsules: true ones are to be longer than 0.9, others shorter than 0.1."""
    wanted = F.one_hot(labels, lengths.shape[1]).to(lengths.dtype)
    missing, extra = (0.9 - lengths).clamp_min(0).pow(2), (lengths - 0.1).clamp_min(0).pow(2)
    return (wanted * missing + 0.5 * (1 - wanted) * extra).sum(1).mean()


class PointNet(nn.Module):
    """Pixels as points with their place; the same layers for each, the largest over all, a head."""

    def __init__(self, classes: int = 6, channels: int = 3, norm: bool = True) -> None:
        super().__init__()
        sizes = (channels + 2, 32, 64, 128)
        self.each = nn.ModuleList([nn.Conv1d(a, b, 1) for a, b in itertools.pairwise(sizes)])
        self.norms = nn.ModuleList([nn.BatchNorm1d(b) if norm else nn.Identity() for b in sizes[1:]])
        self.hidden, self.norm = nn.Linear(128, 64), nn.BatchNorm1d(64) if norm else nn.Identity()
        self.out = nn.Linear(64, classes)

    def forward(self, x: Tensor) -> Tensor:
        side = torch.linspace(-1, 1, x.shape[-1])
        places = torch.stack(torch.meshgrid(side, side, indexing="ij")).expand(len(x), 2, -1, -1)
        x = torch.cat([x, places], 1).flatten(2)
        for layer, norm in zip(self.each, self.norms, strict=True):
            x = F.relu(norm(layer(x)))
        return self.out(F.relu(self.norm(self.hidden(x.amax(2)))))


class AlexNet(nn.Module):
    """Three convolutions with local response norms, two hidden layers with dropout, 16x16 in."""

    def __init__(self, classes: int = 2) -> None:
        super().__init__()
        self.conv1, self.conv2 = nn.Conv2d(3, 24, 5, 1, 2), nn.Conv2d(24, 32, 3, 1, 1, groups=2)
        self.conv3 = nn.Conv2d(32, 32, 3, 1, 1)
        self.fc6, self.fc7, self.fc8 = nn.Linear(512, 96), nn.Linear(96, 96), nn.Linear(96, classes)
        self.norm, self.drop = nn.LocalResponseNorm(2), nn.Dropout(0.5)

    def forward(self, x: Tensor) -> Tensor:
        x = F.max_pool2d(self.norm(F.relu(self.conv1(x))), 2)
        x = F.max_pool2d(self.norm(F.relu(self.conv2(x))), 2)
        x = self.drop(F.relu(self.fc6(F.relu(self.conv3(x)).flatten(1))))
        return self.fc8(self.drop(F.relu(self.fc7(x))))


class LongLeNet(nn.Module):
    """The convolutional net of PyTorch's example: 5x5, pools, dropout of maps, dropout, log-softmax. 1x16x16 in."""

    def __init__(self, classes: int = 10, cut: bool = False) -> None:
        super().__init__()
        self.cut = cut
        self.conv1, self.conv2 = nn.Conv2d(1, 10, 5), nn.Conv2d(10, 20, 3)
        self.drop = nn.Dropout2d(0.25)
        self.fc1, self.fc2 = nn.Linear(80, 50), nn.Linear(50, classes)

    def forward(self, x: Tensor) -> Tensor:
        x = F.relu(F.max_pool2d(self.conv1(x), 2))
        x = F.relu(F.max_pool2d(self.drop(self.conv2(x)), 2)).flatten(1)
        x = self.fc2(F.dropout(F.relu(self.fc1(x)), 0.25, training=self.training))
        return F.log_softmax(F.relu(x) if self.cut else x, 1)


class Squeezed(nn.Module):
    """Convolutions with squeeze-and-excitation, batch norm and a residual, grey 16x16 in."""

    def __init__(self, classes: int = 7) -> None:
        super().__init__()
        self.conv1, self.conv2 = nn.Conv2d(1, 24, 3, 2, 1), nn.Conv2d(24, 48, 3, 2, 1)
        self.norm1, self.norm2, self.norm3 = nn.BatchNorm2d(24), nn.BatchNorm2d(48), nn.BatchNorm2d(48)
        self.down, self.up = nn.Linear(48, 12), nn.Linear(12, 48)
        self.conv3 = nn.Conv2d(48, 48, 3, 1, 1)
        self.fc1, self.fc2 = nn.Linear(192, 64), nn.Linear(64, classes)

    def forward(self, x: Tensor) -> Tensor:
        x = F.relu(self.norm1(self.conv1(x)))
        x = F.relu(self.norm2(self.conv2(x)))
        x = x * self.up(F.relu(self.down(x.mean((2, 3))))).sigmoid()[:, :, None, None]
        x = F.relu(x + self.norm3(self.conv3(x)))
        return self.fc2(F.dropout(F.relu(self.fc1(F.adaptive_avg_pool2d(x, 2).flatten(1))), 0.2, self.training))
